/* Loaded on pages that have a widget. The scripts that draw widgets are larger than all
   else on a page, so they wait until everything else is there; and until the formulas are
   set, because anywidget gives up when the page is busy for two seconds. */
(function () {
  "use strict";
  const folder = new URL("vendor/", document.currentScript.src);
  const scripts = ["require.js", "widgets-config.js", "html-manager/embed-amd.js"];

  window.addEventListener("load", async () => {
    await Promise.allSettled([window.MathJax?.startup?.promise]);
    for (const name of scripts) {
      const script = document.createElement("script");
      script.async = false; // one after the other, as listed
      script.src = new URL(name, folder).href;
      script.setAttribute("data-jupyter-widgets-cdn", "/no-cdn/");
      document.head.append(script);
    }
  });
})();
