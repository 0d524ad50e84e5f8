"use strict";
// A link with data-accept is saved as a file in that format, page by page; without JavaScript it shows JSON.
async function pagesOf(address, accept) {
  const parts = [];
  for (let token = null; ;) {
    const url = new URL(address, location.href);
    if (token) url.searchParams.set("page_token", token);
    const answer = await fetch(url, { headers: { Accept: accept } });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    parts.push(await answer.blob());
    token = answer.headers.get("X-Next-Page-Token");
    if (!token) return parts;
  }
}

async function withoutHeader(blob) {
  const text = await blob.text();
  return text.slice(text.indexOf("\n") + 1);
}

async function save(link) {
  const parts = await pagesOf(link.href, link.dataset.accept);
  if (parts.length > 1 && link.dataset.accept !== "text/csv") throw new Error("more than 10,000 rows: use CSV, or /v1 by pages");
  const rest = await Promise.all(parts.slice(1).map(withoutHeader));
  const file = document.createElement("a");
  file.href = URL.createObjectURL(new Blob([parts[0], ...rest]));
  file.download = link.dataset.file;
  file.click();
  URL.revokeObjectURL(file.href);
}

for (const link of document.querySelectorAll("a[data-accept]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    save(link).catch((error) => { link.after(` ${error.message}`); });
  });
}
