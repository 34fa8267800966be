"""Phrases that tell an intent: patterns on whole words of a normalised message.

A rule must be right nearly always, because it is asked before the model. What is only likely belongs into
the training examples. `WHOLE` rules must match all of a message without its courtesies, `PART` rules may
match anywhere, `HINTS` never decide and only name a further intent of the message.
"""

import re
from typing import Final

from alluse.schemas.intent import Intent

_WEEK_WORDS = {
    Intent.WEEK_GREEN: r"green|bullish|bull",
    Intent.WEEK_RED: r"red|bearish|bear",
    Intent.WEEK_CHOP: r"chop|choppy|sideways|neutral|trendless|rangebound|range bound",
}
#: Single words only: two ways to read the same words would make a failing match take exponential time.
_I_SAY = (
    r"(?:(?:i|we|think|believe|guess|feel|find|am|say|reckon|sure|would|call|go|with|have|lets|my|"
    r"view|opinion|it|this|"
    r"that|the|week|market|markets|stocks|is|are|was|has|been|look|looks|seem|seems|feels|like|mark|"
    r"classify|make|set|"
    r"put|down|as|to|be|going|in|a|an|very|pretty|quite|rather|definitely|clearly|probably|really|"
    r"still|all|current|"
    r"today|here|out|there|on|maybe) )*"
)
_AFTER_WEEK = (
    r"(?: (?:week|one|market|markets|this|the|day|i|would|say|think|guess|to|me|out|there|trend|"
    r"again|today|imo))*"
)

_LEVEL = (
    r"(?:(?:moderately|fairly|very|rather|quite|somewhat|pretty|a bit|more) )?"
    r"(?:conservative|aggressive|moderate|balanced|cautious|careful|low risk|medium risk|high risk|"
    r"risk averse|medium)"
)
_PERSON = r"(?:investor|trader|person|saver|type|risk|appetite|tolerance|profile|account|style|guy|client)"

WHOLE: Final[tuple[tuple[Intent, re.Pattern[str]], ...]] = tuple(
    (intent, re.compile(pattern))
    for intent, pattern in (
        (Intent.HELP, r"(?:i )?(?:need |want |give )?(?:me )?(?:some )?(?:help|assistance|support)(?: me)?"),
        (
            Intent.HELP,
            r"(?:what|which)(?: else| all| things)? (?:can|could|do) (?:you|i)(?: all)? (?:do|ask|"
            r"say)(?: here| for me| you)?",
        ),
        (
            Intent.HELP,
            r"(?:(?:show|list)(?: me)? )?(?:the |your |all |available )?(?:commands?|menu|"
            r"features|functions|capabilities|manual)",
        ),
        (Intent.HELP, r"(?:can|could|would) you (?:help|assist)(?: me)?(?: out)?"),
        (
            Intent.STATUS,
            r"(?:(?:show|give|tell)(?: me)? |what is |check )?(?:the |my |a |current |account |"
            r"accounts |total )*(?:status|balances?)(?: report| update)?",
        ),
        (Intent.STATUS, r"(?:show |list )(?:me )?(?:all |the |my )*accounts"),
        (
            Intent.REINVEST,
            r"(?:lets |do |start |run |execute |time to |time for )*(?:the |a )?(?:quarterly "
            r")?(?:reinvest|reinvestment)(?: (?:it|all|everything|them|that))?",
        ),
        (
            Intent.FORK_ACCOUNT,
            r"(?:lets |do |start |run |execute |perform |trigger |i want to |can (?:you|we|i) "
            r")*(?:the |a |an )?(?:fork|forking|split)(?: (?:it|now|today|my account|the account|"
            r"account|my accounts))?",
        ),
        *(
            (intent, rf"(?!(?:is|are|was|has) ){_I_SAY}(?:{words}){_AFTER_WEEK}")
            for intent, words in _WEEK_WORDS.items()
        ),
        (Intent.WEEK_GREEN, r"(?:an )?up week|(?:a )?rally"),
        (Intent.WEEK_RED, r"(?:a )?down week|(?:a )?sell off"),
        (Intent.WEEK_CHOP, r"(?:a )?flat week|no (?:clear )?(?:direction|trend)"),
        (
            Intent.PROVIDE_PROFILE,
            rf"(?:i am |i would be |rather |put me down as |make me |as )*(?:an? )?{_LEVEL}(?: "
            rf"{_PERSON})*",
        ),
        (
            Intent.PROVIDE_PROFILE,
            r"(?:about |around |roughly |approximately |some |it is |with |i have |i have got |my "
            r"capital is |capital )*amountx",
        ),
        (
            Intent.CHECK_PERFORMANCE,
            r"(?:(?:show|give|tell)(?: me)? )?(?:the |my |our )*(?:performance|results|returns|"
            r"profits?|profit and loss|gains)(?: report| summary| so far| overview)?",
        ),
        (
            Intent.MARKET_OUTLOOK,
            r"(?:the )?(?:market|markets|stock market)(?: (?:outlook|overview|update|analysis|"
            r"conditions?|report|summary|today))?",
        ),
        (Intent.SELECT_DELTA, r"(?:which |what |best |optimal |the )*delta(?: recommendation| selection)?"),
        (Intent.SIZE_POSITION, r"(?:the |my )?(?:position |trade )?(?:size|sizing)(?: for symbolx)?"),
        (
            Intent.CLASSIFY_WEEK,
            r"(?:the |this |current |what )*(?:week|market week)(?: (?:type|class|classification|"
            r"kind))",
        ),
        (
            Intent.ASSESS_RISK,
            r"(?:the |my |check |show |assess |what is |run |do )*(?:a )?risks?(?: (?:check|"
            r"report|analysis|assessment))?",
        ),
        (Intent.DRAWDOWN_HELP, r"drawdown(?: (?:protection|help))?"),
        (
            Intent.ADJUST_POSITIONS,
            r"(?:time to |do i |should i |can i )*(?:roll|adjust)(?: (?:it|them|now))?",
        ),
        (Intent.EXPLAIN_FORKING, r"(?:what is )?(?:a |account )?(?:forking|forks)(?: explained)?"),
        (
            Intent.EXPLAIN_PROTOCOL,
            r"(?:what is |explain |about )?(?:the )?(?:all use|alluse|protocol|strategy)(?: "
            r"(?:protocol|strategy|explained))?",
        ),
        (Intent.ACCOUNT_ADVICE, r"account management(?: (?:advice|tips))?"),
    )
)

_MY_BOOK = (
    r"(?:portfolio|account|accounts|genaccount|revaccount|comaccount|positions|holdings|book|"
    r"investments?|capital|balance|equity)"
)
_FELL = (
    r"(?:down|lost|dropped|fell|fallen|declined|shrunk|losing|under water|underwater|in the red|"
    r"crashed|tanked|sunk|plunged)"
)
_OWN = r"(?:my|our|the|three|all|both|these|existing|current|open|own|his|any)"

PART: Final[tuple[tuple[Intent, re.Pattern[str]], ...]] = tuple(
    (intent, re.compile(rf"\b(?:{pattern})\b"))
    for intent, pattern in (
        # How much
        (Intent.SIZE_POSITION, r"how many (?:more )?(?:\w+ ){0,2}(?:contracts?|puts?|calls?|options)"),
        (
            Intent.SIZE_POSITION,
            r"(?:position|trade|right|correct) (?:size|sizing)|siz(?:e|ing) (?:of )?(?:my|the|a|"
            r"this|these|up)? ?(?:\w+ )?(?:positions?|trades?|puts?)",
        ),
        (
            Intent.SIZE_POSITION,
            r"how (?:big|large) (?:should|can|may|must|a)(?: \w+){0,3} (?:positions?|trades?)",
        ),
        (Intent.SIZE_POSITION, r"number of (?:contracts|puts|calls|options)"),
        # Which delta
        (
            Intent.SELECT_DELTA,
            r"(?:what|which|best|optimal|ideal|right|recommended|target|appropriate|suitable|good|"
            r"pick a|choose a|select a|suggest a|recommend a)(?: (?:is|are|the|my|put|call))* "
            r"delta(?: (?:range(?! belongs)|should|do|does|would|for|fits?|is best|right|to|in|at|now|makes?|"
            r"can|shall))",
        ),
        (
            Intent.SELECT_DELTA,
            r"(?:pick|choose|select|suggest|recommend|find)(?: me)? (?:a|the|my)(?: \w+)? "
            r"(?:delta|strike)",
        ),
        # Losses
        (
            Intent.DRAWDOWN_HELP,
            rf"{_MY_BOOK}(?: \w+){{0,3}} {_FELL}(?: (?:by|to|about|around|over|almost|nearly|more "
            rf"than|is|some|from|amountx|another))* (?:percentx|amountx)",
        ),
        (
            Intent.DRAWDOWN_HELP,
            rf"(?:i|we) (?:am |are |have |just |already |now )*{_FELL}(?: (?:by|about|around|over|"
            rf"almost|nearly|more than|some|another|roughly))* (?:percentx|amountx)",
        ),
        (Intent.DRAWDOWN_HELP, rf"^{_FELL}(?: by| about| almost| over)* percentx"),
        (
            Intent.DRAWDOWN_HELP,
            rf"{_MY_BOOK} (?:is|are) (?:down|losing)|(?:am|are|keep) losing money|lost (?:a lot "
            rf"of |so much |some |all my )?money",
        ),
        (
            Intent.DRAWDOWN_HELP,
            r"drawdown protection|(?:a|my|this|the) (?:percentx )?drawdown (?:of|is|what|help|"
            r"now)|percentx (?:drawdown|loss)",
        ),
        (
            Intent.DRAWDOWN_HELP,
            r"(?:from )?amountx (?:\w+ )?(?:down to|became|turned into|fell to|dropped to|shrank to|is now"
            r"|are now)(?: (?:only|just|about|around|some))* amountx",
        ),
        (Intent.DRAWDOWN_HELP, rf"{_FELL} from amountx to amountx"),
        # Positions in hand
        (
            Intent.ADJUST_POSITIONS,
            rf"roll(?:ing)? (?:{_OWN} )*(?:\w+ ){{0,2}}(?:puts?|calls?|positions?|options?|"
            rf"trades?|down|out|over|up)",
        ),
        (
            Intent.ADJUST_POSITIONS,
            rf"adjust(?:ing|ment|ments)? (?:to |of |for )?(?:{_OWN} )*(?:\w+ )?(?:positions?|"
            rf"trades?|puts?|calls?|options|portfolio)",
        ),
        (
            Intent.ADJUST_POSITIONS,
            rf"(?:close|keep|hold|hedge|unwind) (?:{_OWN} )+(?:\w+ ){{0,2}}(?:positions?|trades?|"
            rf"puts?|calls?)",
        ),
        # Accounts
        (
            Intent.ACCOUNT_ADVICE,
            r"account management|(?:manage|managing|handle|handling|run|running|look after) "
            r"(?:(?:my|the|these|our|all|three|both|different|other) )*(?:accounts|genaccount|"
            r"revaccount|comaccount)",
        ),
        (
            Intent.ACCOUNT_ADVICE,
            r"(?:advice|tips|guidance|advise me) (?:on|about|for|regarding) (?:(?:my|the|managing|"
            r"three|our) )*(?:accounts?|genaccount|revaccount|comaccount)",
        ),
        (
            Intent.SETUP_ACCOUNTS,
            r"(?:set ?up|open|create|initialize|make|establish|prepare|build) (?:(?:me|my|the|a|"
            r"an|new|three|our|some|trading|up|all|investment) )*(?:accounts?|genaccount|"
            r"portfolio)(?! from)",
        ),
        (
            Intent.SETUP_ACCOUNTS,
            r"account (?:set ?up|opening|creation)|(?:want|like|ready|love|wish) to (?:invest|"
            r"deposit|start with|put in|fund) (?:\w+ ){0,2}amountx|(?:accounts?|portfolio) (?:set "
            r"?up|created|opened) (?:for me|please)",
        ),
        (
            Intent.SETUP_ACCOUNTS,
            r"(?:what|how)(?: \w+)? (?:is|are|much|little)? ?(?:the |do i |must i |should i )*(?:minimum"
            r"|least|need at least|smallest amount)(?: \w+){0,4} (?:start|begin|open|get in|invest)",
        ),
        (
            Intent.EXPLAIN_ACCOUNTS,
            r"(?:what|how|explain|describe|why)(?: (?:is|does|do|are|about|the|a|an|me|to|us))* "
            r"(?:genaccount|revaccount|comaccount)(?: (?:do|does|for|mean|work|works|good for|all "
            r"about|used for|about|exactly))+$",
        ),
        (
            Intent.EXPLAIN_ACCOUNTS,
            r"(?:what is|what are|explain|describe|define)(?: (?:me|to|the|a|an|your))* "
            r"(?:(?:genaccount|revaccount|comaccount)(?: and (?:a |the )?)?)+(?: to me| please)?$",
        ),
        (
            Intent.EXPLAIN_ACCOUNTS,
            r"(?:difference|differences|distinction) between (?:\w+ ){0,2}(?:accounts?|genaccount|"
            r"revaccount|comaccount|tiers|account types)|account types|types of accounts",
        ),
        (
            Intent.EXPLAIN_ACCOUNTS,
            r"how (?:do|does|would|will)(?: (?:the|these|those|your|this|that|all))* "
            r"(?:numberx|three|different) accounts?(?: \w+){0,3} work",
        ),
        # Forks
        (
            Intent.EXPLAIN_FORKING,
            r"(?:what|why|explain|explained|understand|meaning of|mean by|how (?:does|do|is|are|"
            r"much|exactly)|when (?:does|do|will|would|is|are|exactly|should))\b(?: \w+){0,6} "
            r"(?:fork|forks|forked|forking)",
        ),
        (
            Intent.EXPLAIN_FORKING,
            r"(?:when|why|how) (?:does|do|will|would) (?:(?:my|the|an|a) )*(?:accounts?|"
            r"genaccount) (?:split|get split|be split|divided)",
        ),
        (
            Intent.FORK_ACCOUNT,
            r"^(?:(?:please|can|could|would|you|we|i|lets|want|like|to|go|ahead|and|now|do|yes|"
            r"think|should|it|is|time) )*(?:fork|split) (?:(?:my|the|our|off|"
            r"this) )*(?:accounts?|genaccount|it|surplus)",
        ),
        (
            Intent.REINVEST,
            r"^(?:(?:please|can|could|you|we|i|lets|want|like|to|go|ahead|and|now|should|would|it|"
            r"is|time|quarter|end|the) )*(?:reinvest|compound) (?:(?:my|the|our|all|these|"
            r"of) )*(?:\w+ )?(?:profits?|gains?|premiums?|earnings|income|returns|money|"
            r"everything|revaccount|comaccount|accounts?)",
        ),
        (
            Intent.REINVEST,
            r"quarter end|end of the quarter|quarterly reinvestment|put (?:(?:my|the) "
            r")*(?:profits|gains|premiums?|earnings|money) back (?:in|into|to)",
        ),
        # Week and market
        (
            Intent.CLASSIFY_WEEK,
            r"(?:what|which)(?: (?:is|the|a))* (?:kind|type|sort|color|class|category) (?:of "
            r")?(?:a )?(?:the )?(?:market )?week|classify (?:the|this|our|my)?(?: current)? ?week|"
            r"week (?:type|classification)",
        ),
        (
            Intent.CLASSIFY_WEEK,
            r"(?:is|are) (?:it|this|we|the week|this week)(?: (?:in|going|to|be|week|a|an|having|"
            r"it))* (?:green|red|chop|choppy)(?: (?:week|or|green|red|chop|choppy|one|a))*$|"
            r"(?:green|red) (?:red )?(?:week )?or (?:a )?(?:red|chop|choppy|green)",
        ),
        (
            Intent.MARKET_OUTLOOK,
            r"how (?:is|are|does|do|did) (?:the )?(?:stock )?(?:markets?|indices|stocks|symbolx) "
            r"(?:doing|look|looking|today|going|moving|feel|right now|at the moment|behaving|"
            r"performing|this week)|market (?:outlook|overview|update|analysis|conditions|summary|"
            r"environment|sentiment|report)(?! fit)",
        ),
        (
            Intent.MARKET_OUTLOOK,
            r"what (?:is|does) (?:the )?(?:stock )?markets? (?:doing|like|look|looking|up to|"
            r"saying|going to do)|(?:outlook|forecast) (?:for|on) (?:the )?(?:markets?|symbolx|stocks)",
        ),
        # Trades
        (
            Intent.RECOMMEND_TRADES,
            r"(?:what|which|anything)(?! (?:size|strike|delta))(?: \w+){0,3} (?:should|can|could|"
            r"shall|would|do) (?:i|we|you)(?: \w+){0,2} (?:trade|sell|buy)(?! at)|what to (?:trade|"
            r"sell|buy)|(?:give|show|tell|have you|got)(?: me)? (?:some |any |numberx |a few |your |good )*"
            r"ideas\b(?! of)|(?:trade|trading|investment) "
            r"(?:ideas?|recommendations?|opportunities|opportunity|suggestions?)|(?:suggest|"
            r"recommend|find)(?: me)? (?:(?:some|a|an|any|the|good|best|new) )*(?:trades?|"
            r"options?|puts?|calls?|opportunities)",
        ),
        # Risk
        (
            Intent.ASSESS_RISK,
            r"value at risk|\bc?var\b|stress test|how (?:risky|exposed|dangerous) "
            r"(?:is|are|am) (?:my|our|i|we|the|this|it)|(?:assess|"
            r"analyze|evaluate|check|measure|calculate|compute|review|examine|show|run|analysis "
            r"of|assessment of)(?: (?:me|the|a|my|our|of|portfolio|current|overall|total|full|"
            r"in))* risks?|risk (?:assessment|analysis|report|check|figures|metrics) ?(?:of|for|"
            r"on|please|now)?|what is (?:my|our|the) (?:current |portfolio |overall |total "
            r")?(?:risk|exposure)(?! (?:appetite|tolerance|profile))",
        ),
        # Results and state
        (
            Intent.CHECK_PERFORMANCE,
            r"(?:track|monitor|follow|measure|check|see|show|review|view|evaluate)(?: (?:me|the|"
            r"my|our|how|a|of|account|portfolio))* (?:performance|results|progress|returns|gains|"
            r"profits)|how did (?:i|we) do\b|"
            r"how (?:am i|are we|is my portfolio|are my accounts|are my investments|have "
            r"i|have we) (?:doing|performing|done|performed)|how (?:much|many) (?:\w+ )?(?:have i|"
            r"did i|have we|did we|i have|am i) (?:made|make|earn|earned|gain|gained|making|"
            r"earning|collected)|am i (?:on track|making money)",
        ),
        (
            Intent.STATUS,
            r"where (?:do|am|are) (?:i|we) stand(?:ing)?|where i stand|(?:what is|what are|show|"
            r"show me|tell me) (?:my|our|the) (?:current |account |total )*(?:status|"
            r"balances?)|status of (?:my|the|our|all)|how much (?:money |cash |capital )?(?:is|do "
            r"i have) (?:left )?in (?:my|the|all)",
        ),
        # Strategy, profile, help
        (
            Intent.EXPLAIN_PROTOCOL,
            r"(?:explain|describe|understand|what is|tell me about|how does|introduce me to|"
            r"introduction to|overview of)(?: (?:me|to|the|this|your|about|all use|alluse|options|"
            r"trading|whole|idea|of|behind|concept|a|bit))* (?:protocol|strategy|methodology|all "
            r"use|alluse)(?: (?:work|works|about|protocol|strategy|system|all|and|to|me|please|"
            r"actually|exactly|really))*$",
        ),
        (
            Intent.PROVIDE_PROFILE,
            rf"i (?:am|would be|consider myself|would describe myself as|see myself as)(?: (?:an?|"
            rf"rather|as|more|quite|very|pretty|fairly|somewhat|a bit))* {_LEVEL}(?: "
            rf"{_PERSON})?(?: (?:with|have|i|and|about|around|an?|of|money|my|when|"
            rf"comes|it|to|in))*(?: amountx.*)?$",
        ),
        (
            Intent.PROVIDE_PROFILE,
            r"my risk (?:appetite|tolerance|profile|level|preference)(?: \w+)? (?:is|as|to)|"
            r"(?:moderately aggressive|conservative|aggressive|moderate|balanced|medium risk|low "
            r"risk|high risk)(?: \w+){0,3} amountx|^amountx(?: \w+){0,3} (?:conservative|"
            r"aggressive|moderate|medium|balanced|low risk|medium risk|high risk)",
        ),
        (
            Intent.HELP,
            r"help me (?:to )?(?:get started|start|begin|out)|(?:what|which)(?: \w+)? (?:can|"
            r"could) you (?:do|help|assist|answer)|what (?:else )?can i (?:ask|do here|say)|how "
            r"(?:can|do|could) you help|(?:how|where) (?:do|should|can|could) i (?:start|begin|"
            r"get started)$",
        ),
    )
)

HINTS: Final[tuple[tuple[Intent, re.Pattern[str]], ...]] = tuple(
    (intent, re.compile(rf"\b(?:{pattern})\b"))
    for intent, pattern in (
        (
            Intent.SETUP_ACCOUNTS,
            r"get (?:me )?started|getting started|to start|open an account|begin investing",
        ),
        (Intent.HELP, r"help me|can you help|need help|some help|get started"),
        (Intent.PROVIDE_PROFILE, rf"i am (?:an? |rather |quite |more )*{_LEVEL}"),
        (Intent.REINVEST, r"reinvest\w*"),
        (Intent.ASSESS_RISK, r"how risky|my risk"),
    )
)
