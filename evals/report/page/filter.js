const form = document.getElementById("filter");
const cards = [...document.querySelectorAll("details.card")];
const names = ["outcome", "subject", "category"];
function filter() {
  const wanted = new FormData(form);
  const text = wanted.get("text").toLowerCase();
  let shown = 0;
  for (const card of cards) {
    const fits = names.every((name) => !wanted.get(name) || card.dataset[name] === wanted.get(name));
    card.hidden = !(fits && (!text || card.textContent.toLowerCase().includes(text)));
    shown += !card.hidden;
  }
  form.querySelector("output").textContent = shown + " of " + cards.length;
}
form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
filter();
