#!/usr/bin/env python3
"""What README.md, ARCHITECTURE.md, CONTRIBUTING.md and the pages under docs/ name, exists.

docs.py ROOT LEAT: files and folders in backticks and links, functions, types and constants in
backticks, and the commands of fenced blocks (`leat …`, asked with -h, and `./dev …`).
"""

import pathlib
import re
import shlex
import subprocess
import sys

SOURCE = {".c", ".h", ".def", ".py", ".sh", ".cmake", ".in"}
ENDINGS = r"\w\.(c|h|md|def|py|sh|cmake|json|txt|in)$"


def braces(text):
    """proto/{frame,records}.h names two files."""
    match = re.search(r"\{([^{}]*)\}", text)
    if not match:
        return [text]
    before, after = text[: match.start()], text[match.end() :]
    return [path for part in match[1].split(",") for path in braces(before + part + after)]


def is_path(token):
    """Looks like a path in the tree: has a slash or a known ending, and is nothing else."""
    if re.search(r"[\s$<>…=]|://|^[/~{-]|^build/|^LEAT/|NAME|FILE|PORT|UID", token):
        return False
    return "/" in token or re.search(ENDINGS, token) is not None


def is_name(token):
    return re.fullmatch(r"(leat|LEAT)_\w+(\(\))?|[a-z]\w*\(\)", token) is not None


class Check:
    def __init__(self, root, leat):
        self.root = root
        self.leat = leat
        self.words = set()
        self.looked_at = 0
        self.folder = ""  # named by the heading: names under it may be relative to it
        self.wrong = []
        for folder in ("proto", "broker", "worker", "client", "manual", "tests", "cmake"):
            for path in (root / folder).rglob("*"):
                if path.suffix in SOURCE or path.name == "CMakeLists.txt":
                    self.words.update(re.findall(r"\w+", path.read_text(errors="replace")))

    def say(self, page, line, sentence):
        self.wrong.append(f"{page.relative_to(self.root)}:{line}: {sentence}")

    def token(self, page, line, token):
        if is_name(token):
            self.looked_at += 1
            if token.removesuffix("()") not in self.words:
                self.say(page, line, f"no function, type or constant `{token}`")
        elif is_path(token):
            self.looked_at += 1
            for path in braces(token):
                if not any(any(self.root.glob(at + path.rstrip("/"))) for at in ("", self.folder)):
                    self.say(page, line, f"no file or folder `{path}`")

    def link(self, page, line, target):
        if "://" in target or target.startswith(("#", "mailto:")):
            return
        self.looked_at += 1
        if not (page.parent / target.split("#")[0]).exists():
            self.say(page, line, f"the link leads to nothing: {target}")

    def command(self, page, line, text):
        if "─" in text:  # a picture
            return
        try:
            words = shlex.split(text.removeprefix("$ "), comments=True)
        except ValueError:
            return
        if words[:1] == ["./dev"] and len(words) > 1:
            self.looked_at += 1
            usage = subprocess.run(["./dev", "help"], cwd=self.root, capture_output=True, text=True)
            if f"./dev {words[1]} " not in usage.stdout:
                self.say(page, line, f"./dev has no command {words[1]}")
        elif words[:1] == ["leat"] and len(words) > 1 and not words[1].startswith("-"):
            self.looked_at += 1
            verbs = [word for word in words[1:3] if re.fullmatch(r"[a-z-]+", word)]
            for asked in (verbs, verbs[:1]):
                run = subprocess.run(
                    [self.leat, *asked, "-h"], capture_output=True, text=True, timeout=10
                )
                # The help of a noun that wants a verb does not vouch for the verb.
                if run.returncode == 0 and not (asked != verbs and "Commands of" in run.stdout):
                    return
            self.say(page, line, f"`leat {' '.join(verbs)} -h` says: {run.stderr.strip()}")

    def page(self, page):
        fenced = False
        for number, line in enumerate(page.read_text().splitlines(), 1):
            if line.lstrip().startswith("```"):
                fenced = not fenced
            elif fenced:
                self.command(page, number, line.strip())
            else:
                if line.startswith("#"):
                    named = re.search(r"`([^`]+/)`", line)
                    self.folder = named[1] if named else ""
                for token in re.findall(r"`([^`]+)`", line):
                    self.token(page, number, token)
                for target in re.findall(r"\]\(([^)\s]+)\)", line):
                    self.link(page, number, target)


def main():
    root, leat = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    check = Check(root, leat)
    pages = [root / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
    for page in pages + sorted((root / "docs").glob("*.md")):
        check.page(page)
    if check.looked_at < 50:
        check.wrong.append(f"only {check.looked_at} names found: the check itself is broken")
    print("\n".join(check.wrong) or f"{check.looked_at} names, all there")
    return 1 if check.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
