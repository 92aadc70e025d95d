// Loads the page again where one of its files did not come: a module that lacks another runs no line, and nothing is
// drawn. A browser drops what it waits for when the machine's network changes, and an engine that starts changes it.

{
  const STORED_AS = "roundhouse-loads";
  const MOST = 5;
  const FIRST_PAUSE_MS = 200;
  let failed = false;

  const again = () => {
    const loads = Number(sessionStorage.getItem(STORED_AS)) + 1;
    sessionStorage.setItem(STORED_AS, String(loads));
    if (loads < MOST) setTimeout(() => location.reload(), FIRST_PAUSE_MS * 2 ** (loads - 1));
    else tell();
  };

  const tell = () => {
    sessionStorage.removeItem(STORED_AS);
    const page = document.getElementById("app");
    if (page) page.textContent = "The page's files do not come from the proxy. Load the page again when it is there.";
  };

  // A file's failure does not bubble: it is seen on its way down.
  addEventListener("error", ({ target }) => {
    if (target instanceof HTMLScriptElement || target instanceof HTMLLinkElement) failed = true;
  }, true);
  addEventListener("load", () => (failed ? again() : sessionStorage.removeItem(STORED_AS)));
}
