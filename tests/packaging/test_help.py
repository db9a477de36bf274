"""Whatever `assent --help` offers is in the manual and in the completions of bash, zsh and fish, and nothing else is."""

import os
import re
import subprocess
import unittest
from pathlib import Path

BUILD, SOURCE = Path(os.environ["ASSENT_BUILD"]), Path(os.environ["ASSENT_SOURCE"])
MAN, COMPLETIONS = SOURCE / "packaging/man", SOURCE / "packaging/completions"
COMMON = {"--config", "--json", "--help"}


def help_of(*verbs):
    return subprocess.run([BUILD / "userspace/cli/assent", *verbs, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout


def subcommands(text):
    """The names below the headings of groups, which are indented by two and followed by their description."""
    listed = re.split(r"(?m)^(?:Examples:|`assent VERB)", text)[0]
    return re.findall(r"(?m)^  ([a-z]+) {2,}\S", re.sub(r"(?ms)^(?:Positionals|Options|Common options):\n.*?(?:\n\n|\Z)", "", listed))


def options(text):
    return set(re.findall(r"(?m)^  (?:-\w,)?(--[a-z-]+)", text))


def commands():
    """{words: long options} of every verb, and of every verb below a verb."""
    found = {}
    for verb in subcommands(help_of()):
        text = help_of(verb)
        found[(verb,)] = options(text)
        for below in subcommands(text):
            found[(verb, below)] = options(help_of(verb, below))
    return found


class Help(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.commands = commands()
        cls.verbs = {words[0] for words in cls.commands if len(words) == 1}

    def below(self, verb):
        return {words[1] for words in self.commands if len(words) == 2 and words[0] == verb}

    def test_the_help_was_understood(self):
        self.assertLessEqual({"run", "holds", "approve", "policy", "detach"}, self.verbs)
        self.assertEqual(self.below("holds"), {"show", "wait"})
        self.assertIn("--sql-file", self.commands[("policy", "explain")])

    def test_a_verb_below_a_verb_does_not_show_the_examples_of_all(self):
        for words in self.commands:
            self.assertNotIn("`assent VERB --help`", help_of(*words), words)

    def manual_sections(self):
        """{first words of a heading of assent(1): its text, the heading with it}; a heading may name several commands."""
        page = (MAN / "assent.1").read_text().replace("\\-", "-").replace('"', "")
        sections = {}
        for section in re.split(r"(?m)^\.(?:SS|SH) ", page)[1:]:
            words = re.match(r"assent ([a-z]+)(?: ([a-z]+)\b)?", section)
            if words:
                key = tuple(word for word in words.groups() if word)
                sections[key] = sections.get(key, "") + section
        return sections

    def test_the_manual_describes_every_verb_and_option(self):
        sections, missing = self.manual_sections(), []
        for words, known in self.commands.items():
            own = sections.get(words, "")
            if not own and not self.below(words[0]):
                missing.append(" ".join(words))
            elif len(words) == 2 and not own:
                missing.append(" ".join(words))
            missing += [f"{' '.join(words)} {option}" for option in sorted(known - COMMON) if option not in own]
        self.assertEqual(missing, [])

    def test_the_manual_describes_nothing_else(self):
        known = {words: known | COMMON for words, known in self.commands.items()}
        for words, text in self.manual_sections().items():
            self.assertIn(words, known)
            self.assertEqual(set(re.findall(r"--[a-z]+[a-z-]*", text)) - known[words], set(), words)

    def test_manuals_are_written_without_mistakes(self):
        for page in sorted(MAN.iterdir()):
            done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""), page.name)

    def bash_words(self, *line):
        """What bash offers after the words of a line."""
        script = f"""source {COMPLETIONS / 'assent.bash'}
            assent() {{ :; }}
            compopt() {{ :; }}
            COMP_WORDS=(assent "$@" --)
            COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
            [ "${{NO_DASHES:-}}" ] && COMP_WORDS[COMP_CWORD]=
            _assent
            printf '%s\\n' "${{COMPREPLY[@]}}" """
        run = lambda **more: subprocess.run(["bash", "-c", script, "bash", *line], capture_output=True, text=True, timeout=60, check=True,
                                            env={**os.environ, **more}).stdout.split()
        return set(run()) | set(run(NO_DASHES="yes"))

    def test_bash_offers_what_there_is(self):
        self.assertEqual(self.bash_words(), self.verbs | COMMON | {"--version"})
        for words, known in self.commands.items():
            with self.subTest(words=words):
                offered = self.bash_words(*words) - {"--"} - COMMON
                self.assertEqual(offered, known - COMMON | (self.below(words[0]) if len(words) == 1 else set()))

    def zsh_part(self, text, words):
        """The part of _assent that completes a command: a case of its own, or the function for the verb."""
        verb, below = words[0], words[1] if len(words) == 2 else None
        function = re.search(rf"(?ms)^_assent_{verb}_verb\(\).*?^}}", text)
        if function is None:
            case = re.search(rf"(?ms)^        (?:[a-z]+ \| )*{verb}(?: \| [a-z]+)*\)(.*?);;", text)
            return case.group(1) if case else ""
        case = re.search(rf"(?ms)^        {below}\)(.*?);;", function.group(0)) if below else None
        return case.group(1) if case else function.group(0)

    def test_zsh_offers_what_there_is(self):
        text = (COMPLETIONS / "_assent").read_text()
        listed = re.search(r"(?s)verbs=\((.*?)\n    \)", text).group(1)
        self.assertEqual(set(re.findall(r"(?m)^\s+'([a-z]+):", listed)), self.verbs)
        known_anywhere = set().union(*self.commands.values()) | {"--version"}
        self.assertEqual(set(re.findall(r"(--[a-z-]+)[=\[]", text)) - known_anywhere, set())
        for words, known in self.commands.items():
            if len(words) == 2:
                self.assertIn(f"'{words[1]}:", self.zsh_part(text, words[:1]))
            missing = [option for option in known - COMMON if not re.search(rf"{option}[=\[]", self.zsh_part(text, words))]
            self.assertEqual(missing, [], words)

    def test_fish_offers_what_there_is(self):
        lines = (COMPLETIONS / "assent.fish").read_text().splitlines()
        self.assertEqual({found.group(1) for line in lines if (found := re.search(r"__fish_use_subcommand -a ([a-z]+)", line))}, self.verbs)
        for words, known in self.commands.items():
            # A line counts for a command whose last word it asks for.
            own = [line for line in lines if re.search(rf"__fish_seen_subcommand_from [a-z ]*\b{words[-1]}\b", line)]
            offered = {option for line in own for option in re.findall(r" -l ([a-z-]+)", line)}
            self.assertLessEqual({option.lstrip("-") for option in known - COMMON}, offered, words)
            if len(words) == 2:
                self.assertTrue(any(words[1] in line for line in lines if f"from {words[0]}" in line or "policy_verbs" in line), words)


if __name__ == "__main__":
    unittest.main()
