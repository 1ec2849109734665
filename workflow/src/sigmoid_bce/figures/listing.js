// searches and sorts the table of a page; the page is complete without it
(() => {
  const page = document.body, body = page.querySelector(".listing tbody");
  const [search, all] = page.querySelectorAll(".tools input");
  const count = page.querySelector(".tools output");
  const rows = [...body.rows];
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const row of rows) {
      const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      left += !row.hidden;
    }
    count.textContent = words.length ? `${left} of ${rows.length} rows. ` : "";
  });
  if (all) all.addEventListener("change", () => page.classList.toggle("all", all.checked));
  const order = new Intl.Collator("en", { numeric: true });
  const compare = (a, b) => {
    if (!a || !b) return !a - !b; // empty cells last
    const difference = Number(a) - Number(b);
    return Number.isNaN(difference) ? order.compare(a, b) : difference;
  };
  const heads = [...page.querySelectorAll(".listing th")];
  heads.forEach((head, i) => {
    head.tabIndex = 0;
    head.title = "sort";
    const sort = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = (row) => row.cells[i].textContent;
      rows.sort((a, b) => (down ? compare(text(b), text(a)) : compare(text(a), text(b))));
      body.append(...rows);
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  });
})();
