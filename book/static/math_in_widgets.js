/* html-manager 1.0 asks MathJax to set the labels of its controls in the way of version 2;
   the book has version 3. Loaded after MathJax, on pages that have it. */
if (window.MathJax) {
  window.MathJax.Hub = {
    Queue: ([, , element]) => window.MathJax.typesetPromise([element]),
  };
}
