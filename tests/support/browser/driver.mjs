// A browser for tests: Debian's Chromium. Takes one JSON object a line, {"script": text, "with": value}, runs the text as the body
// of an asynchronous function, and answers one line: {"value"} or {"error"}. What pages complain of is kept in state.problems.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const options = JSON.parse(process.argv[2]);
const browser = await chromium.launch({ executablePath: options.program, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
const state = { problems: [], pages: {} };

async function open(name = "main", more = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce", viewport: { width: 1280, height: 860 }, ...more });
  context.setDefaultTimeout(options.timeout_ms);
  const page = await context.newPage();
  // That a request was refused is what tests look at themselves.
  page.on("console", (message) => message.type() === "error" && !message.text().startsWith("Failed to load") && state.problems.push(message.text()));
  page.on("pageerror", (error) => state.problems.push(String(error)));
  state.pages[name] = page;
  return page;
}

const Body = Object.getPrototypeOf(async function () {}).constructor;
for await (const line of createInterface({ input: process.stdin })) {
  const { script, page, with: given } = JSON.parse(line);
  try {
    const run = new Body("page", "open", "state", "given", "browser", script);
    const value = await run(state.pages[page ?? "main"] ?? (await open(page)), open, state, given, browser);
    console.log(JSON.stringify({ value: value ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
