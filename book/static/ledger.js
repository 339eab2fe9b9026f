/* The ledger's table: filtering and sorting. Without this script the whole table shows. */
(function () {
  "use strict";
  const ledger = document.querySelector(".kl-book-ledger");
  const form = ledger.querySelector("form");
  const body = ledger.querySelector("tbody");
  const rows = Array.from(body.rows);
  const count = form.querySelector("output");
  const fields = ["chapter", "verdict", "words"];

  function filter() {
    const words = form.elements.words.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const keep =
        ["chapter", "verdict"].every((name) => {
          const wanted = form.elements[name].value;
          return !wanted || row.dataset[name] === wanted;
        }) && words.every((word) => text.includes(word));
      row.hidden = !keep;
      shown += keep;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
    remember();
  }

  // The choice stands in the address, so that it can be sent to somebody.
  function remember() {
    const query = new URLSearchParams();
    for (const name of fields) {
      if (form.elements[name].value) query.set(name, form.elements[name].value);
    }
    const tail = query.size ? `#${query}` : location.pathname;
    if (location.protocol !== "file:") history.replaceState(null, "", tail);
  }

  function recall() {
    const query = new URLSearchParams(location.hash.slice(1));
    for (const name of fields) form.elements[name].value = query.get(name) || "";
  }

  function sortBy(column, heading) {
    const rising = heading.ariaSort !== "ascending";
    for (const other of ledger.querySelectorAll("th")) other.ariaSort = "none";
    heading.ariaSort = rising ? "ascending" : "descending";
    const key = (row) => row.cells[column].dataset.key || row.cells[column].textContent;
    const order = new Intl.Collator("en", { numeric: true });
    rows.sort((a, b) => (rising ? 1 : -1) * order.compare(key(a), key(b)));
    body.append(...rows);
  }

  ledger.querySelectorAll("th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortBy(column, heading));
    heading.append(button);
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  recall();
  filter();
})();
