"""What TeX commands are to a table of symbols: fonts, accents, text, or arithmetic.

A command in none of these lists stands for a symbol.
"""


def _commands(names: str) -> frozenset[str]:
    return frozenset(rf"\{name}" for name in names.split())


FONTS = _commands("mathbb mathcal mathfrak mathscr mathsf mathrm mathbf boldsymbol bm")
UPRIGHT = _commands("mathrm mathsf")
"""Fonts whose words in scripts are labels, as in `x_{\\mathrm{test}}`."""

ACCENTS = {
    r"\hat": "hat",
    r"\widehat": "hat",
    r"\tilde": "tilde",
    r"\widetilde": "tilde",
    r"\bar": "bar",
    r"\overline": "bar",
    r"\underline": "underline",
    r"\vec": "vec",
    r"\dot": "dot",
    r"\ddot": "ddot",
    r"\check": "check",
    r"\breve": "breve",
    r"\mathring": "ring",
}
DROPPED = _commands(
    """text textrm textbf textit texttt textsf textnormal mbox hbox operatorname
    operatorname* label tag tag* ref eqref hspace hspace* vspace vspace* phantom
    hphantom vphantom color textcolor href class cssId begin end"""
)
"""Commands whose first argument is no mathematics of the formula."""

WITH_COLUMNS = frozenset({"array", "alignat", "alignat*", "alignedat"})
"""Environments that have a second argument, which is no mathematics either."""

BARS = {
    "|": "|",
    r"\vert": "|",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\|": r"\|",
    r"\Vert": r"\|",
    r"\lVert": r"\|",
    r"\rVert": r"\|",
}
FRACTIONS = _commands("frac dfrac tfrac")
INTEGRALS = _commands("int iint iiint oint")

FUNCTIONS = _commands(
    """arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg
    lim liminf limsup ln log max min Pr sec sin sinh sup tan tanh Re Im bmod mod pmod"""
)
OPERATORS = _commands(
    """sum prod coprod bigcup bigcap bigvee bigwedge partial infty emptyset varnothing
    cdot times div pm mp setminus cup cap wedge vee land lor neg lnot not forall exists
    nexists circ prime top bot dagger dots ldots cdots vdots ddots dotsc dotsb dotsm
    dotsi"""
)
RELATIONS = _commands(
    """le leq leqslant ge geq geqslant ne neq equiv approx sim simeq cong propto in
    notin ni subset subseteq supset supseteq ll gg lesssim gtrsim mid parallel perp
    colon coloneqq to gets mapsto longmapsto rightarrow leftarrow leftrightarrow
    Rightarrow Leftarrow Leftrightarrow longrightarrow xrightarrow iff
    implies impliedby uparrow downarrow nearrow searrow"""
)
DELIMITERS = _commands(
    """rangle lfloor rfloor lceil rceil lbrace rbrace lbrack rbrack backslash left right
    middle big Big bigg Bigg bigl Bigl biggl Biggl bigr Bigr biggr Biggr bigm Bigm biggm
    Biggm"""
)
LAYOUT = _commands(
    """cfrac sqrt binom dbinom tbinom displaystyle textstyle scriptstyle
    scriptscriptstyle limits nolimits quad qquad space enspace thinspace nonumber notag
    overset underset stackrel substack underbrace overbrace boxed mathop mathbin mathrel
    mathord mathopen mathclose mathpunct mathstrut strut smash hline"""
)
NO_SYMBOLS = (
    DROPPED | BARS.keys() | FRACTIONS | INTEGRALS | FUNCTIONS | OPERATORS | RELATIONS
) | (DELIMITERS | LAYOUT)
