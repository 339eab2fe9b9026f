/* The chapter's list of symbols: in the margin where the page has one, else at its end. */
(function () {
  "use strict";
  const list = document.querySelector(".kl-symbols");
  const margin = document.querySelector(
    ".bd-sidebar-secondary .sidebar-secondary-item:last-child",
  );
  if (!list || !margin) return;
  const end = document.createComment("the list of symbols stands here without margin");
  list.before(end);
  const wide = matchMedia("(min-width: 1200px)"); // from here on the theme has a margin
  function place() {
    if (wide.matches) margin.append(list);
    else end.after(list);
  }
  wide.addEventListener("change", place);
  place();
})();
