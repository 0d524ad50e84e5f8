"use strict";
// The progress of a run: asks for its state until it is over, then loads the page again.
(async () => {
  const text = document.getElementById("state"), bar = document.getElementById("progress");
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  for (let failures = 0; ; await wait(500)) {
    try {
      const answer = await fetch(`${location.pathname}/state`);
      if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
      const { state, done, total, before } = await answer.json();
      if (state !== "waiting" && state !== "running") return location.reload();
      if (total) Object.assign(bar, { max: total, value: done });
      const news = state === "waiting" ? `${before} ${before === 1 ? "run is" : "runs are"} before it.`
        : total && done === total ? "The result is written."
        : total ? `${done.toLocaleString("en")} of ${total.toLocaleString("en")} sessions` : "It reads the lake.";
      if (text.textContent !== news) text.textContent = news;
      failures = 0;
    } catch (error) {
      failures += 1;
      text.textContent = `The progress is not known: ${error.message}`;
      if (failures > 3) await wait(5000);
    }
  }
})();
