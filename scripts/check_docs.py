#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the documentation against the program: run its commands, compare their output, follow its links.

check_docs.py [--nibble build/release/cli/nibble] [--update] [--quick] [PAGE...]

Without PAGE: README.md and everything in docs/. What a page may hold:

  ```console             lines that begin with "$ " are commands (a trailing backslash continues them); lines that
                         follow a command are its output, both streams, and must match to the character. Each page has
                         a temporary working directory with `configs`, `scripts` and `examples` in it; `nibble`,
                         `own-nibble` (examples/own-pe) and `python3` are in the PATH. `export NAME=VALUE` holds for
                         the rest of the page.
  ```python by_hand.py   a language and a file name: the block is written to that file of the working directory
  <!-- not run: WHY -->  before a block of commands: they install or build something; WHY names the test that covers it
  <!-- status: 2 -->     before a console block: its last command ends with this status (0 otherwise)
  <!-- long -->          before a console block: --quick leaves it out (for builds with sanitizers)
  <!-- output: COMMAND --> ... <!-- end output -->   the text between is what COMMAND prints, Markdown as a rule
  <!-- excerpt: FILE NAME -->  before a block: it equals the lines between "excerpt: NAME" and "end excerpt" in FILE

Outside of blocks: relative links and their anchors lead somewhere, `folder/file` exists, and the options of `nibble
COMMAND --option` are known. The table of folders in docs/architecture.md is the one of check_layers.py.

--update replaces outputs and excerpts by what they should be; a new block is written with the single output line `?`.
"""
import argparse
import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import check_layers

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\S*)[ ]*(\S*)\s*$")
EXPORT = re.compile(r"^export (\w+)=(\S+)$")
DIRECTIVE = re.compile(r"^<!-- (not run|status|long|excerpt|output)(?:: (.*?))? -->$")
END_OUTPUT = "<!-- end output -->"
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
FOLDERS = ("core|formats|workloads|dataflow|pe|transport|memory|accelerators|rtl_models|cli|testbenches|configs|scripts"
           "|docs|cmake")
PATH_IN_CODE = re.compile(rf"^(?:{FOLDERS})/[\w./*{{}},-]+$")
SECONDS_PER_COMMAND = 300


class Block:
    """Lines [start, end) of a page: the inside of a fence, or what stands between the marks of an output."""

    def __init__(self, kind, name, start, end, directives):
        self.kind, self.name, self.start, self.end, self.directives = kind, name, start, end, directives


def blocks_of(lines):
    blocks, directives, number = [], {}, 0
    while number < len(lines):
        line = lines[number]
        hit = DIRECTIVE.match(line)
        fence = FENCE.match(line)
        if hit and hit[1] == "output":
            end = lines.index(END_OUTPUT, number) if END_OUTPUT in lines[number:] else len(lines)
            blocks.append(Block("output", hit[2], number + 1, end, {}))
            number = end
        elif hit:
            directives[hit[1]] = hit[2] or ""
        elif fence:
            end = next((i for i in range(number + 1, len(lines)) if lines[i] == "```"), len(lines))
            blocks.append(Block(fence[1], fence[2], number + 1, end, directives))
            directives, number = {}, end
        elif line.strip():
            directives = {}
        number += 1
    return blocks


def commands_of(content):
    """[(lines of a command, lines of its output)]."""
    commands = []
    for line in content:
        if commands and not commands[-1][1] and commands[-1][0][-1].endswith("\\"):
            commands[-1][0].append(line)
        elif line.startswith("$ "):
            commands.append(([line], []))
        elif commands:
            commands[-1][1].append(line)
        else:
            raise ValueError(f"output before the first command: {line}")
    return commands


def slug(heading):
    text = re.sub(r"[^\w\- ]", "", re.sub(r"`|\*|\[|\]\([^)]*\)", "", heading).strip().lower())
    return text.replace(" ", "-")


def anchors_of(text):
    return {slug(line.lstrip("#")) for line in text.splitlines() if line.startswith("#")}


class Page:
    def __init__(self, file, options):
        self.file, self.options = file, options
        self.name = file.relative_to(ROOT).as_posix()
        self.lines = file.read_text(encoding="utf-8").splitlines()
        self.problems, self.replacements = [], []  # replacements: (start, end, lines)

    def problem(self, number, text):
        self.problems.append(f"{self.name}:{number + 1}: {text}")

    def check(self):
        blocks = blocks_of(self.lines)
        self.check_prose(blocks)
        with tempfile.TemporaryDirectory(prefix="nibble-docs-") as folder:
            self.folder = pathlib.Path(folder)
            self.environment = self.prepare()
            for block in blocks:
                self.check_block(block)
        if self.replacements and self.options.update:
            for start, end, lines in sorted(self.replacements, reverse=True):
                self.lines[start:end] = lines
            self.file.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        return self.problems

    def prepare(self):
        programs = self.folder / ".bin"
        programs.mkdir()
        (programs / "python3").symlink_to(python_with_numpy())
        for name in ("nibble", "own-nibble"):
            (programs / name).symlink_to(self.options.nibble.parent / name)
        for name in ("configs", "scripts", "examples"):
            (self.folder / name).symlink_to(ROOT / name)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NIBBLE_")}
        environment.update(PATH=f"{programs}:{environment['PATH']}", NIBBLE_CONFIG_PATH="configs",
                           PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")
        return environment

    def check_block(self, block):
        content = self.lines[block.start:block.end]
        if block.end == len(self.lines):
            self.problem(block.start - 1, "this block does not end")
        elif "excerpt" in block.directives:
            self.compare(block.start, block.end, self.excerpt(block), f"excerpt of {block.directives['excerpt']}")
        elif block.kind == "output":
            status, output = self.run(block.name)
            if status != 0:
                self.problem(block.start, f"status {status}: {block.name}")
            self.compare(block.start, block.end, output, block.name)
        elif block.name:
            target = self.folder / block.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("\n".join(content) + "\n", encoding="utf-8")
        elif "not run" in block.directives:
            if not block.directives["not run"]:
                self.problem(block.start, "'not run' needs a reason")
        elif block.kind == "console":
            self.check_console(block, content)
        elif any(line.startswith(("$ ", "nibble ")) for line in content):
            self.problem(block.start, "commands stand in a ```console block, so that they are run")

    def check_console(self, block, content):
        if self.options.quick and "long" in block.directives:
            return
        commands = commands_of(content)
        at = block.start
        for i, (command, expected) in enumerate(commands):
            text = "\n".join([command[0][2:]] + command[1:])
            status, output = self.run(text)
            wanted = int(block.directives.get("status", 0)) if i + 1 == len(commands) else 0
            if status != wanted:
                self.problem(at, f"status {status}, not {wanted}: {text}\n" + "\n".join(output))
            at += len(command)
            if expected:
                self.compare(at, at + len(expected), output, text)
            at += len(expected)

    def run(self, command):
        variable = EXPORT.match(command)
        if variable:
            self.environment[variable[1]] = variable[2]
            return 0, []
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=self.folder, env=self.environment,
                              text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=SECONDS_PER_COMMAND, check=False)
        lines = [line.rstrip() for line in done.stdout.splitlines()]
        while lines and not lines[-1]:
            lines.pop()
        return done.returncode, lines

    def compare(self, start, end, output, what):
        expected = [line.rstrip() for line in self.lines[start:end]]
        while expected and not expected[-1]:
            expected.pop()
        if expected == output:
            return
        if self.options.update:
            self.replacements.append((start, end, output))
            return
        difference = "\n".join(difflib.unified_diff(expected, output, self.name, "now", lineterm="", n=1))
        self.problem(start, f"differs: {what}\n{difference}\nscripts/check_docs.py --update accepts it")

    def excerpt(self, block):
        file, name = block.directives["excerpt"].split()
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        begin = next((i for i, line in enumerate(lines) if line.strip().endswith(f"excerpt: {name}")), None)
        if begin is None:
            self.problem(block.start, f"{file} has no 'excerpt: {name}'")
            return self.lines[block.start:block.end]
        end = next(i for i in range(begin, len(lines)) if lines[i].strip().endswith("end excerpt"))
        inside = lines[begin + 1:end]
        indent = min((len(line) - len(line.lstrip()) for line in inside if line.strip()), default=0)
        return [line[indent:].rstrip() for line in inside]

    def check_prose(self, blocks):
        hidden = {i for block in blocks if block.kind != "output" for i in range(block.start - 1, block.end + 1)}
        for number, line in enumerate(self.lines):
            if number in hidden:
                continue
            for target in LINK.findall(line):
                self.check_link(number, target)
            for code in CODE.findall(line):
                self.check_code(number, code)

    def check_link(self, number, target):
        if re.match(r"^[a-z]+:", target):
            return
        path, _, anchor = target.partition("#")
        file = (self.file.parent / path).resolve() if path else self.file
        if not file.exists():
            self.problem(number, f"link to {target}: no such file")
        elif anchor and anchor not in anchors_of(file.read_text(encoding="utf-8")):
            self.problem(number, f"link to {target}: no such heading")

    def check_code(self, number, code):
        if PATH_IN_CODE.match(code) and not any(any(ROOT.glob(p)) for p in braces(code.rstrip("/"))):
            self.problem(number, f"`{code}`: no such file")
        if code.startswith("nibble "):
            words = code.split()
            text = help_of(self.options.nibble, words[1])
            if text is None:
                self.problem(number, f"`{code}`: no such command")
                return
            for option in re.findall(r"--[a-z-]+", code):
                if not re.search(rf"{option}\b(?!-)", text):
                    self.problem(number, f"`{code}`: no option {option}")


def braces(pattern):
    """a/{b,c}.h as a/b.h, a/c.h."""
    hit = re.search(r"\{([^{}]*)\}", pattern)
    if not hit:
        return [pattern]
    return [whole for part in hit[1].split(",") for whole in braces(pattern[:hit.start()] + part + pattern[hit.end():])]


def python_with_numpy():
    """This interpreter, or else the distribution's."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([candidate, "-c", "import numpy"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return candidate
    sys.exit("error: no Python 3 with numpy: scripts/setup.sh")


HELP = {}


def help_of(nibble, command):
    """What `nibble COMMAND --help` prints; None when there is no such command."""
    if command not in HELP:
        words = [] if command.startswith("-") else [command]
        done = subprocess.run([nibble] + words + ["--help"], capture_output=True, text=True, check=False)
        known = f"Usage: {' '.join(['nibble', *words])} " in done.stdout
        HELP[command] = done.stdout if known else None
    return HELP[command]


def layer_problems():
    """The table of docs/architecture.md against the one that check_layers.py enforces."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \|[^|]*\| ([^|]*) \|", page, re.M)
    known = set(check_layers.MAY_INCLUDE)
    told = {folder: set(re.findall(r"\b[a-z_]+\b", allowed)) & known for folder, allowed in rows}
    for folder, allowed in check_layers.MAY_INCLUDE.items():
        if not (ROOT / folder).exists():
            continue
        if folder not in told:
            yield f"docs/architecture.md: no row for {folder}/"
        elif told[folder] != allowed:
            yield f"docs/architecture.md: {folder}/ may include {sorted(allowed)}, not {sorted(told[folder])}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nibble", type=pathlib.Path, default=ROOT / "build/release/cli/nibble")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("pages", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    options.nibble = options.nibble.resolve()
    if not options.nibble.exists():
        print(f"error: {options.nibble} is not built: scripts/build.sh release nibble", file=sys.stderr)
        return 2
    pages = [page.resolve() for page in options.pages]
    problems = []
    if not pages:
        pages = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
    if ROOT / "docs/architecture.md" in pages:
        problems += layer_problems()
    for page in pages:
        problems += Page(page, options).check()
    print("\n".join(problems) or f"documentation: ok ({len(pages)} pages)")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
