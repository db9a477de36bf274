// Light or dark: as the system says, unless the person says otherwise.
import { type ReactNode, useState } from "react";

const themes = ["system", "light", "dark"] as const;
type Theme = (typeof themes)[number];

const stored = (): Theme => {
  try {
    return themes.find((each) => each === localStorage.getItem("theme")) ?? "system";
  } catch {
    return "system"; // storage may be forbidden
  }
};

export function applyTheme(theme: Theme = stored()): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function ThemeButton(): ReactNode {
  const [theme, set] = useState(stored);
  const next = () => {
    const chosen = themes[(themes.indexOf(theme) + 1) % themes.length] ?? "system";
    try {
      localStorage.setItem("theme", chosen);
    } catch {
      // then it is for this page only
    }
    applyTheme(chosen);
    set(chosen);
  };
  return (
    <button type="button" className="quiet" onClick={next} aria-label={`Theme: ${theme}`} title={`Theme: ${theme}`}>
      <svg viewBox="0 0 24 24" aria-hidden="true">
        {theme === "dark" ? (
          <path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z" />
        ) : theme === "light" ? (
          <path d="M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.7 1.7M17.3 17.3L19 19M5 19l1.7-1.7M17.3 6.7L19 5" />
        ) : (
          <path d="M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16" />
        )}
      </svg>
    </button>
  );
}
