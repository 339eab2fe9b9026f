/* Tell require.js where the widget modules are: beside this file, never on a CDN.
   Loaded after require.js and before embed-amd.js. */
(function () {
  "use strict";
  // Sphinx writes the way from the page to the site's root on <html data-content_root>.
  const root = document.documentElement.dataset.content_root || "./";
  window.requirejs.config({
    baseUrl: new URL(root + "_static/vendor/", document.baseURI).href,
    // embed-amd.js defines these modules; the paths are where their icon fonts are.
    paths: {
      "@jupyter-widgets/base": "html-manager/base",
      "@jupyter-widgets/base7": "html-manager/base7",
      "@jupyter-widgets/controls": "html-manager/controls",
      "@jupyter-widgets/controls7": "html-manager/controls7",
      "@jupyter-widgets/html-manager": "html-manager/index",
      "@jupyter-widgets/html-manager/dist/libembed-amd": "html-manager/libembed-amd",
    },
  });
})();
