"""Handlers of the conversation: messages, turns, summary, context, preferences, export and erasure."""

import sqlite3
from datetime import datetime

from alluse.domain.accounts import may_fork
from alluse.domain.adherence import adherence
from alluse.domain.conversation import dominant_topics, engagement_of, expertise_of, stage_of
from alluse.runtime.errors import ConflictError
from alluse.runtime.service import Call, Reply
from alluse.runtime.store import schema_version
from alluse.schemas.common import RiskAppetite
from alluse.schemas.ledger import EntryKind
from alluse.schemas.memory import (
    ContextAnswer,
    EraseAnswer,
    ExportAnswer,
    Message,
    MessageCounts,
    MessageRequest,
    MessagesAnswer,
    MessagesQuery,
    ProtocolStateAnswer,
    Role,
    SummaryAnswer,
    TurnAnswer,
    TurnRequest,
)
from alluse.schemas.users import (
    Expertise,
    Pending,
    Preference,
    PreferencesAnswer,
    PreferencesPatch,
    UserPath,
    WeekClass,
    WeekRequest,
)
from alluse.services.memory_manager import conversation_records as records
from alluse.services.memory_manager.accounts import answer_accounts
from alluse.services.memory_manager.ledger_records import (
    Opened,
    load_accounts,
    load_days,
    load_entries,
    snapshots,
    views,
)
from alluse.services.memory_manager.state import State, change, now, own
from alluse.services.memory_manager.tables import erase

_RECENT = 20
_DETAIL = {
    Expertise.BEGINNER: "overview",
    Expertise.INTERMEDIATE: "detailed",
    Expertise.ADVANCED: "technical",
}


async def post_message(call: Call[State], request: MessageRequest) -> Reply:
    user_id, at = call.params.user_id, now().isoformat()
    return await change(
        call, user_id, "messages", lambda db: records.add_message(db, user_id, request, at), status=201
    )


async def get_messages(call: Call[State], request: MessagesQuery) -> MessagesAnswer:
    user_id = own(call, request.user_id)
    found = await call.context.store.read(
        lambda db: records.load_messages(
            db, user_id, request.limit, request.q, request.topic, request.session_id
        )
    )
    return MessagesAnswer(messages=found)


async def get_summary(call: Call[State], request: UserPath) -> SummaryAnswer:
    user_id = own(call, request.user_id)

    def read(db: sqlite3.Connection) -> SummaryAnswer:
        said = _said(records.load_messages(db, user_id))
        texts = [message.content for message in said]
        user, agent, _ = records.counts(db, user_id)
        open_ = any(not each.account.closed for each in load_accounts(db, user_id))
        intents = [message.intent for message in said if message.intent]
        return SummaryAnswer(
            counts=MessageCounts(user=user, agent=agent),
            dominant_topics=dominant_topics(texts),
            stage=stage_of(user, open_, intents),
            engagement=engagement_of(texts),
        )

    return await call.context.store.read(read)


async def post_turn(call: Call[State], request: TurnRequest) -> Reply:
    """Both messages, the decision and what the user stated: written whole, or not at all."""
    user_id, moment = call.params.user_id, now()
    at = moment.isoformat()

    def work(db: sqlite3.Connection) -> TurnAnswer:
        if _has_turn(db, user_id, request.turn_id):
            raise ConflictError(f"turn {request.turn_id} is stored; repeat it under its Idempotency-Key")
        asked = MessageRequest(
            role=Role.USER,
            content=request.message,
            session_id=request.session_id,
            intent=request.intent,
            entities=request.entities,
            confidence=request.confidence,
        )
        records.add_message(db, user_id, asked, at)
        said = MessageRequest(role=Role.AGENT, content=request.reply, session_id=request.session_id)
        records.add_message(db, user_id, said, at)
        records.add_decision(db, user_id, request, at)
        if request.week is not None:
            records.set_week(db, user_id, request.week.value, request.week.as_of or moment.date(), at)
        if request.preferences is not None:
            records.patch_preferences(db, user_id, request.preferences, at)
        records.add_explained(db, user_id, request.explained)
        user, agent, _ = records.counts(db, user_id)
        return TurnAnswer(turn_id=request.turn_id, stored=True, message_count=user + agent)

    return await change(call, user_id, "turns", work, status=201)


def _has_turn(db: sqlite3.Connection, user_id: str, turn_id: str) -> bool:
    row = db.execute("SELECT 1 FROM decisions WHERE user_id = ? AND turn_id = ?", (user_id, turn_id))
    return row.fetchone() is not None


async def put_week(call: Call[State], request: WeekRequest) -> Reply:
    user_id, moment = call.params.user_id, now()
    as_of = request.as_of or moment.date()
    return await change(
        call,
        user_id,
        "week",
        lambda db: records.set_week(db, user_id, request.value, as_of, moment.isoformat()),
    )


async def get_context(call: Call[State], request: UserPath) -> ContextAnswer:
    user_id, moment = own(call, request.user_id), now()

    def read(db: sqlite3.Connection) -> ContextAnswer:
        said = _said(records.load_messages(db, user_id))
        opened = load_accounts(db, user_id)
        accounts = answer_accounts(user_id, views(opened, call.state.protocol))
        stated = records.load_preferences(db, user_id)
        week = records.load_week(db, user_id, moment.date())
        decisions = records.load_decisions(db, user_id, limit=1)
        user, agent, decided = records.counts(db, user_id)
        appetite, most = stated.get("risk_appetite"), stated.get("max_position_size")
        inferred, _ = expertise_of([message.content for message in said])
        return ContextAnswer(
            user_id=user_id,
            has_accounts=bool(accounts.accounts),
            accounts=accounts.accounts,
            total_balance=accounts.total_balance,
            week_classification=week,
            expertise=Expertise(str(stated.get("expertise", inferred))),
            risk_appetite=None if appetite is None else RiskAppetite(str(appetite)),
            max_position_size=None if most is None else float(most),
            recent_topics=dominant_topics([message.content for message in said[-_RECENT:]]),
            pending=_pending(call.state, opened, week),
            last_intent=next((message.intent for message in reversed(said) if message.intent), None),
            message_count=user + agent,
            decision_count=decided,
            last_decision=decisions[0] if decisions else None,
            explained=records.load_explained(db, user_id),
        )

    return await call.context.store.read(read)


def _said(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message.role is Role.USER]


def _pending(state: State, opened: list[Opened], week: WeekClass | None) -> list[Pending]:
    found = []
    if all(each.account.closed for each in opened):
        found.append(Pending.ACCOUNT_SETUP)
    if week is None:
        found.append(Pending.WEEK_CLASSIFICATION)
    if any(may_fork(each.account, state.protocol) for each in opened):
        found.append(Pending.ACCOUNT_FORK)
    return found


async def get_preferences(call: Call[State], request: UserPath) -> PreferencesAnswer:
    user_id = own(call, request.user_id)
    return await call.context.store.read(lambda db: _preferences(db, user_id))


def _preferences(db: sqlite3.Connection, user_id: str) -> PreferencesAnswer:
    """What was stated, and beside it what is inferred where nothing was."""
    texts = [message.content for message in _said(records.load_messages(db, user_id))]
    expertise, confidence = expertise_of(texts)
    found = {
        "expertise": Preference(value=expertise, source="inferred", confidence=confidence),
        "detail_level": Preference(value=_DETAIL[expertise], source="inferred", confidence=confidence),
    }
    for name, value in records.load_preferences(db, user_id).items():
        found[name] = Preference(value=value, source="stated")
    return PreferencesAnswer(user_id=user_id, preferences=found)


async def patch_preferences(call: Call[State], request: PreferencesPatch) -> Reply:
    user_id, at = call.params.user_id, now().isoformat()

    def work(db: sqlite3.Connection) -> PreferencesAnswer:
        records.patch_preferences(db, user_id, request, at)
        return _preferences(db, user_id)

    return await change(call, user_id, "preferences", work)


async def get_protocol_state(call: Call[State], request: UserPath) -> ProtocolStateAnswer:
    user_id, moment = own(call, request.user_id), now()

    def read(db: sqlite3.Connection) -> ProtocolStateAnswer:
        opened = load_accounts(db, user_id)
        week = records.load_week(db, user_id, moment.date())
        standing = views(opened, call.state.protocol)
        kinds = {each.account.account_id: each.account.type for each in opened}
        return ProtocolStateAnswer(
            user_id=user_id,
            accounts=standing,
            closed_accounts=views(opened, call.state.protocol, closed=True),
            week_classification=week,
            decisions=records.load_decisions(db, user_id, limit=100),
            forks=load_entries(db, user_id, kind=EntryKind.FORK),
            merges=load_entries(db, user_id, kind=EntryKind.MERGE),
            reinvestments=load_entries(db, user_id, kind=EntryKind.ALLOCATION),
            signals=records.load_signals(db, [each.account.account_id for each in opened]),
            pending=_pending(call.state, opened, week),
            adherence=adherence(standing, load_entries(db, user_id), kinds, call.state.protocol),
        )

    return await call.context.store.read(read)


async def export_user(call: Call[State], request: UserPath) -> ExportAnswer:
    user_id, moment = own(call, request.user_id), now()

    def read(db: sqlite3.Connection) -> ExportAnswer:
        opened = load_accounts(db, user_id)
        protocol = call.state.protocol
        return ExportAnswer(
            user_id=user_id,
            exported_at=moment,
            schema_version=schema_version(db, call.context.identity.name),
            messages=records.load_messages(db, user_id),
            decisions=records.load_decisions(db, user_id),
            accounts=views(opened, protocol) + views(opened, protocol, closed=True),
            entries=load_entries(db, user_id),
            preferences=_preferences(db, user_id).preferences,
            week_classification=records.load_week(db, user_id, datetime.min.date()),
            explained=records.load_explained(db, user_id),
            snapshots=snapshots(load_days(db, user_id)),
        )

    return await call.context.store.read(read)


async def erase_user(call: Call[State], request: UserPath) -> EraseAnswer:
    """Delete everything of a user, from the file too (deleted cells are overwritten, the log is emptied)."""
    user_id = own(call, request.user_id)

    def work(db: sqlite3.Connection) -> dict[str, int]:
        closed = [each.account.account_id for each in load_accounts(db, user_id)]
        erased = erase(db, user_id)
        # The others forget what they watch for this user.
        call.context.events.enqueue(
            db, "memory.erased", {"user_id": user_id, "closed": closed}, subject=user_id
        )
        return erased

    erased = await call.context.store.write(work)
    await call.context.store.read(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    call.context.log.info("user erased", rows=sum(erased.values()))
    return EraseAnswer(user_id=user_id, erased=erased)
