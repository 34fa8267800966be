"""A message as rules and model read it: words in lower case, numbers and names replaced by what they are.

`What's the delta for TSLA with $50k?` becomes `what is the delta for symbolx with amountx`. Words that look
like a keyword with a typing error are read as the keyword.
"""

import re
import unicodedata
from collections.abc import Collection
from datetime import date

from rapidfuzz.distance import OSA
from rapidfuzz.process import extractOne

from alluse.domain.entities import find
from alluse.domain.entities_text import Found, word_list
from alluse.schemas.entities import EntityType

#: Any day will do: times keep their words.
_DAY = date(2024, 1, 1)
_MASKS = {
    EntityType.AMOUNT: "amountx",
    EntityType.PERCENTAGE: "percentx",
    EntityType.STOCK_SYMBOL: "symbolx",
    EntityType.DELTA: "deltax delta",
    EntityType.DELTA_RANGE: "deltax delta",
    EntityType.DTE: "daysx",
}
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|[0-9]+")
_SHORT_FORMS = {
    "whats": "what is", "what's": "what is", "wheres": "where is", "where's": "where is",
    "hows": "how is", "how's": "how is", "im": "i am", "i'm": "i am", "ive": "i have", "i've": "i have",
    "i'd": "i would", "id": "i would", "i'll": "i will", "it's": "it is", "its": "it is", "that's": "that is",
    "there's": "there is", "we're": "we are", "we've": "we have", "you're": "you are", "let's": "lets",
    "let us": "lets", "don't": "do not", "dont": "do not", "doesn't": "does not", "doesnt": "does not",
    "isn't": "is not", "can't": "can not", "cannot": "can not", "cant": "can not", "won't": "will not",
    "wanna": "want to", "gonna": "going to", "gimme": "give me", "u": "you", "ur": "your", "r": "are",
    "pls": "please", "plz": "please", "thx": "thanks", "wk": "week", "wks": "weeks", "mkt": "market",
    "mkts": "markets", "acct": "account", "accts": "accounts", "acc": "account", "accs": "accounts",
    "perf": "performance", "vol": "volatility", "iv": "implied volatility", "rec": "recommendation",
    "recs": "recommendations", "mgmt": "management", "dd": "drawdown", "ytd": "year to date",
    "p&l": "profit and loss", "pnl": "profit and loss", "pl": "profit and loss", "rn": "right now",
    "abt": "about", "w": "with", "cuz": "because", "analyse": "analyze", "colour": "color",
    "initialise": "initialize", "optimise": "optimize", "summarise": "summarize",
}  # fmt: skip
#: Words that carry a meaning and are long enough to be known with a typing error.
KEYWORDS = word_list(
    "account accounts adjust adjustment advice aggressive allocate analysis analyze assess balance "
    "balanced balances bearish bullish capital choppy classification classify compound conservative "
    "contract contracts create delta deposit direction downtrend drawdown earnings exposure fork "
    "forking forked generation greetings hello help income initialize invest investment losing "
    "manage management market markets moderate moderately money morning opportunities options "
    "outlook overview performance performing portfolio position positions premium profit profits "
    "protect protection protocol quarter quarterly recommend recommendation recommendations reinvest "
    "reinvestment results returns revenue risk risky rolling sideways sizing split splitting started "
    "status strategy strike suggest suggestion surplus tolerance trade trades trading uptrend "
    "volatility week weekly withdraw worried should recommended cautious explain difference"
)
#: English words close to a keyword that mean something else.
_NOT_TYPOS = frozenset(
    word_list(
        "trace tracing grade grading marked marker petition patrol delay delays compete create created "
        "creates shelf form ford fort work week weak rest mining honey monkey mourning warning gland "
        "hell hells shell cello jello stratus statue statutes spit spite spilt slit fading raising risks "
        "trader traders traded tradition traditional portion portions portfolios premiums quarters "
        "invests invested investor investors investing returned markets marketing countdown accounted "
        "accounting capitals balancing mortgage moderator positioned positional contracted contractor "
        "contact contacts contrast optional option adjusted adjusts adjusting profited profile profiles "
        "resulted result rolled rollings worries worry explained explains explaining starter starting "
        "startled shoulder optics notions portions stared worded"
    )
)
_FAR_WORD = 8


def normalise(text: str, known: Collection[str]) -> tuple[str, list[Found]]:
    """The message as words separated by single spaces, and the entities that were replaced in it.

    `known` are words that are right as they are.
    """
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    found = find(visible, _DAY)
    pieces, place = [], 0
    for entity in found:
        mask = _mask(entity, visible[entity.start : entity.end])
        if mask is not None:
            pieces += [visible[place : entity.start], f" {mask} "]
            place = entity.end + (visible[entity.end : entity.end + 2].lower() in ("'s", "’s")) * 2
    pieces.append(visible[place:])
    folded = unicodedata.normalize("NFKC", "".join(pieces)).casefold().replace("’", "'").replace("`", "'")
    return " ".join(_word(word, known) for word in _WORD.findall(folded)), found


def _mask(entity: Found, text: str) -> str | None:
    if entity.type is EntityType.ACCOUNT_TYPE:
        return f"{str(entity.value)[:3].lower()}account"
    if entity.type is EntityType.CONTRACTS:
        return "numberx contracts" if re.search(r"contract|lot", text, re.IGNORECASE) else "numberx"
    return _MASKS.get(entity.type)


def _word(word: str, known: Collection[str]) -> str:
    if word[0].isdigit():
        return "numberx"
    if word in _SHORT_FORMS:
        return _SHORT_FORMS[word]
    plain = word.removesuffix("'s")
    if plain in known or plain in _NOT_TYPOS or len(plain) < 4 or not plain.isalpha():
        return plain
    return _corrected(plain)


def _corrected(word: str) -> str:
    """The keyword that the word is a typing error of: one change, two in a long word, in a word of four
    letters only two that changed places."""
    most = 2 if len(word) >= _FAR_WORD else 1
    best = extractOne(word, KEYWORDS, scorer=OSA.distance, score_cutoff=most)
    if best is None:
        return word
    keyword, distance, _ = best
    if len(keyword) <= 4 or len(word) <= 4:
        return keyword if sorted(keyword) == sorted(word) else word
    if keyword[0] != word[0] and sorted(keyword[:2]) != sorted(word[:2]):
        return word
    return keyword if distance <= most else word
