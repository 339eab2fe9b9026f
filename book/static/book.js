/* Loaded on every page after MathJax, where a page has it. */
(function () {
  "use strict";
  // html-manager 1.0 asks MathJax to set the labels of its controls in the way of version
  // 2; the book has version 3.
  if (window.MathJax) {
    window.MathJax.Hub = {
      Queue: ([, , element]) => window.MathJax.typesetPromise([element]),
    };
  }

  // MathJax makes each formula a stop of the Tab key for the sake of its menu. Those that
  // stand by themselves keep it; with those in the text a chapter would have hundreds.
  window.MathJax?.startup?.promise.then(() => {
    for (const one of document.querySelectorAll("mjx-container:not([display])")) {
      one.removeAttribute("tabindex");
    }
  });

  // A file may not read other files, so search finds pages there but cannot quote them.
  if (location.protocol === "file:") {
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  }

  // The sidebar's unfolding arrows are pictures; a screen reader needs a name for each.
  document.addEventListener("DOMContentLoaded", () => {
    for (const arrow of document.querySelectorAll(".bd-sidebar-primary summary")) {
      const page = arrow.closest("li").querySelector("a").textContent.trim();
      arrow.setAttribute("aria-label", `Pages below ${page}`);
    }
  });

  // Paper is light, whatever the screen is.
  const page = document.documentElement.dataset;
  let shown = page.theme;
  window.addEventListener("beforeprint", () => {
    shown = page.theme;
    page.theme = "light";
  });
  window.addEventListener("afterprint", () => {
    page.theme = shown;
  });
})();
