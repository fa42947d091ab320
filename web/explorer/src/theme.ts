// Light, dark, or as the system has it.

import { byId } from "./dom";

type Theme = "system" | "light" | "dark";
const ORDER: readonly Theme[] = ["system", "light", "dark"];
const SIGNS: Record<Theme, string> = { system: "◐", light: "☀", dark: "☾" };

export function setUpTheme(): void {
  const button = byId("theme", HTMLButtonElement);
  let theme: Theme = "system";
  const show = () => {
    if (theme === "system") {
      delete document.documentElement.dataset.theme;
    } else {
      document.documentElement.dataset.theme = theme;
    }
    button.textContent = SIGNS[theme];
    const words = theme === "system" ? "as the system" : theme;
    button.setAttribute("aria-label", `Colours: ${words}`);
    button.title = `Colours: ${words}`;
  };
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? "system";
    show();
  });
  show();
}
