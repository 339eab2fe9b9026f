/* Hover cards: what a link points to, shown beside it. On a page whose address says where
   it stands, a link to an equation, a statement, a work, a claim or a check opens its
   target on hover, focus or tap; a symbol in a formula opens its row of the margin list.
   Targets on this page are cloned, others wait in <template data-card="page#id">. */
(function () {
  "use strict";
  const GAP = 8; // from the link to its card; the pointer crosses it within GRACE
  const EDGE = 8; // from a card to the window's edge
  const LEAST = 96; // a card is never made lower than this; then the page scrolls
  const LINK = 250;
  const SYMBOL = 700;
  const GRACE = 300;
  const TARGETS =
    '[id^="equation-"], [id^="claim-"], [id^="check-"], [id^="number-"], .proof, ' +
    ".citation, .kl-symbol";

  /* Where a card goes, in the window: below its anchor, above where that has more room;
     inside the window, never over the anchor. */
  function place(anchor, size, view) {
    const below = view.height - anchor.bottom - GAP - EDGE;
    const above = anchor.top - GAP - EDGE;
    const under = size.height <= below || below >= above;
    const height = Math.min(size.height, Math.max(LEAST, under ? below : above));
    const top = under ? anchor.bottom + GAP : anchor.top - GAP - height;
    const right = view.width - EDGE - size.width;
    return { left: Math.max(EDGE, Math.min(anchor.left, right)), top, height };
  }

  /* The rows of the margin list that some glyphs stand for: of those that the equation
     declares, if any of them fits, else of all. A row is {id, glyph}. */
  function matching(rows, glyphs, declared) {
    const fit = rows.filter((row) => glyphs.includes(row.glyph));
    const own = fit.filter((row) => declared.includes(row.id));
    return own.length ? own : fit;
  }

  if (typeof module === "object") {
    module.exports = { place, matching };
    return;
  }
  const article = document.querySelector(".bd-article");
  if (!article || !HTMLElement.prototype.showPopover) return;

  /* --- What a card shows ---------------------------------------------------------- */

  const home = new URL(document.documentElement.dataset.content_root, location.href);
  const templates = new Map();
  for (const one of document.querySelectorAll("template[data-card]")) {
    templates.set(new URL(one.dataset.card, home).href, one);
  }

  function targetOf(link) {
    const here = link.href.split("#")[0] === location.href.split("#")[0];
    if (!here) return templates.get(link.href);
    const target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    return target?.matches(TARGETS) && target.tagName !== "SECTION"
      ? target
      : undefined;
  }

  const targets = new Map();
  for (const link of article.querySelectorAll('a[href*="#"]:not(.headerlink)')) {
    const target = link.closest(".kl-ledger") ? undefined : targetOf(link);
    if (!target) continue;
    targets.set(link, target);
    link.removeAttribute("title"); // the card says it better, and one of them is enough
  }

  function copyOf(target) {
    const copy = (target.content?.firstElementChild ?? target).cloneNode(true);
    for (const one of [copy, ...copy.querySelectorAll("[id], [tabindex]")]) {
      one.removeAttribute("id");
      one.removeAttribute("tabindex");
    }
    for (const one of copy.querySelectorAll(".headerlink")) one.remove();
    return copy;
  }

  const glyphOf = (letter) =>
    Array.from(letter.querySelectorAll("mjx-c"), (glyph) => glyph.className).join(" ");

  /* The rows of the list of symbols that the letters of a formula stand for. A row is
     known by its symbol's first letter, as MathJax has drawn it. */
  function rowsOf(letters) {
    const rows = Array.from(document.querySelectorAll(".kl-symbol"), (row) => {
      const first = row.querySelector("dt mjx-mi");
      return { id: row.id, glyph: first && glyphOf(first), row };
    });
    const numbers = letters[0]?.closest("[data-symbols]")?.dataset.symbols ?? "";
    const declared = numbers.split(" ").map((number) => `symbol-${number}`);
    return matching(rows, letters.map(glyphOf), declared).map((found) => found.row);
  }

  const contents = new Map(); // made once: MathJax remembers all that it has typeset
  function contentOf(target) {
    if (contents.has(target)) return contents.get(target);
    const copy = copyOf(target);
    const number = copy.querySelector(".eqno");
    const title = document.createElement("p");
    title.className = "kl-card__title";
    title.textContent = number ? `Equation ${number.textContent}` : "";
    number?.remove();
    contents.set(target, number ? [title, copy] : [copy]);
    return contents.get(target);
  }

  function listOf(rows) {
    const list = document.createElement("dl");
    list.append(...rows.map(copyOf));
    return [list];
  }

  /* --- Opening and closing ---------------------------------------------------------- */

  const card = document.createElement("div");
  card.className = "kl-card";
  card.id = "kl-card";
  card.popover = "manual"; // above everything, and clipped by nothing
  card.tabIndex = -1;
  article.append(card);
  let open = null; // {anchor, by}: whose card shows, by "hover", "focus" or "tap"
  let timer = 0;

  function later(delay, action) {
    clearTimeout(timer);
    timer = setTimeout(action, delay);
  }

  function close() {
    clearTimeout(timer);
    if (!open) return;
    open.anchor.removeAttribute("aria-describedby");
    open = null;
    card.hidePopover();
  }

  function show(anchor, by, content) {
    close();
    open = { anchor, by };
    card.replaceChildren(...content);
    if (by === "tap" && anchor.href) {
      const go = document.createElement("a");
      go.className = "kl-card__go";
      go.href = anchor.href;
      go.textContent = "Go there";
      card.append(go);
    }
    // A tapped card can be walked into, so it is more than a description.
    card.role = by === "tap" ? "dialog" : "tooltip";
    card.ariaLabel = by === "tap" ? anchor.textContent || "Symbols" : null;
    if (by !== "tap") anchor.setAttribute("aria-describedby", card.id);
    card.showPopover();
    settle();
    if (by === "tap") card.focus({ preventScroll: true });
    typeset();
  }

  async function typeset() {
    await window.MathJax?.startup?.promise;
    await window.MathJax?.typesetPromise?.([card]);
    for (const one of card.querySelectorAll("mjx-container")) {
      one.removeAttribute("tabindex");
    }
    if (open) settle();
  }

  /* What a card must not cover: the link, all its lines, or the whole of a formula. */
  function spotOf(anchor) {
    const { left } = anchor.getClientRects()[0] ?? { left: 0 };
    const whole = anchor.closest('mjx-container[display="true"]') ?? anchor;
    const { top, bottom } = whole.getBoundingClientRect();
    return { left, top, bottom };
  }

  function settle() {
    card.style.maxHeight = "";
    const size = { width: card.offsetWidth, height: card.offsetHeight };
    const { clientWidth: width, clientHeight: height } = document.documentElement;
    const put = place(spotOf(open.anchor), size, { width, height });
    card.style.maxHeight = `${put.height}px`;
    card.style.left = `${put.left + scrollX}px`;
    card.style.top = `${put.top + scrollY}px`;
  }

  /* --- What the reader does ----------------------------------------------------------- */

  /* The link, or the letter of a formula, that an event is about, and what it opens. */
  function askedOf(node) {
    const link = node.closest("a[href]");
    if (link) {
      const target = targets.get(link);
      return target && { anchor: link, delay: LINK, content: () => contentOf(target) };
    }
    const letter = node.closest("mjx-mi");
    const rows = letter && article.contains(letter) ? rowsOf([letter]) : [];
    const found = rows.length && !letter.closest(".kl-symbol");
    return found && { anchor: letter, delay: SYMBOL, content: () => listOf(rows) };
  }

  const inCard = (node) => card.contains(node);

  document.addEventListener("pointerover", ({ target, pointerType }) => {
    if (pointerType === "touch") return;
    if (inCard(target)) return clearTimeout(timer);
    const asked = askedOf(target);
    if (asked && asked.anchor === open?.anchor) clearTimeout(timer);
    else if (asked) {
      later(asked.delay, () => show(asked.anchor, "hover", asked.content()));
    } else if (open?.by === "hover") later(GRACE, close);
    else clearTimeout(timer);
  });
  document.documentElement.addEventListener("pointerleave", () => {
    if (open?.by === "hover") later(GRACE, close);
  });

  article.addEventListener("focusin", ({ target }) => {
    if (inCard(target) || !target.matches(":focus-visible")) return;
    const formula = target.matches('mjx-container[display="true"]');
    const rows = formula ? rowsOf([...target.querySelectorAll("mjx-mi")]) : [];
    const linked = targets.get(target);
    const content = linked ? () => contentOf(linked) : () => listOf(rows);
    if (!linked && !rows.length) return;
    later(linked ? LINK : SYMBOL, () => show(target, "focus", content()));
  });
  article.addEventListener("focusout", ({ relatedTarget: next }) => {
    // A tap is for the click to judge; it moves the focus to the link or to nothing.
    const tap = next === null || next === open?.anchor;
    if (open?.by === "focus" || (open?.by === "tap" && !inCard(next) && !tap)) close();
    else if (!open) clearTimeout(timer);
  });

  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    const back = open?.by === "tap" && inCard(document.activeElement) && open.anchor;
    close();
    if (back) back.focus?.({ preventScroll: true });
  });

  let pressed = ""; // Not every browser tells by what a click was made.
  document.addEventListener("pointerdown", (event) => {
    pressed = event.pointerType;
  });
  document.addEventListener("click", (event) => {
    if (inCard(event.target) && !event.target.closest("a")) return;
    const tapped = (event.pointerType ?? pressed) === "touch" && !inCard(event.target);
    const asked = tapped && askedOf(event.target);
    const again = asked && asked.anchor === open?.anchor;
    close();
    if (!asked || again) return;
    event.preventDefault();
    show(asked.anchor, "tap", asked.content());
  });

  addEventListener("resize", close);
  addEventListener("scroll", () => {
    if (!open) return;
    const { top, bottom } = spotOf(open.anchor);
    if (bottom < 0 || top > innerHeight) close();
  });
})();
