"""A form of the admin as a person meets it: every control is operated, and what is posted is read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

Values = dict[str, list[str]]

TYPED = {"text", "textarea", "number", "password", "email", "url"}
CHOOSING = {"select-one", "radio"}
FORM = "#content-main form"
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
CONTROLS = """(form) => {
    const controls = {};
    for (const field of form.elements) {
        const { name, type } = field;
        if (!name || name.includes("__prefix__") || ["hidden", "submit", "button"].includes(type)) continue;
        const pair = field.closest(".selector")?.querySelectorAll("select");
        if (pair && field === pair[0]) continue;
        const seen = type === "file" ? field.closest(".field-line") : field;
        const options = pair ? [...pair[0].options, ...pair[1].options] : [...(field.options ?? [])];
        const own = field.options ? options.map((option) => option.value) : [field.value];
        const kind = pair ? "two-lists" : type;
        const known = (controls[name] ??= { name, kind, choices: [], visible: false });
        known.choices.push(...own);
        known.visible ||= seen.checkVisibility();
    }
    return Object.values(controls);
}"""
INITIAL = """async (selector) => {
    const page = await (await fetch(location.href)).text();
    const form = new DOMParser().parseFromString(page, "text/html").querySelector(selector);
    return [...new FormData(form)].filter(([, value]) => typeof value === "string");
}"""
"""What the server wrote into the form: no script runs in a page that is only parsed."""


class Control(NamedTuple):
    """A named control of a form: a text field, a drop-down list, all check boxes of one name, or Django's two
    lists between which options are moved."""

    name: str
    kind: str
    choices: list[str]
    visible: bool


class AdminForm:
    """An add form in a page; ``expected`` follows what was clicked and typed, never what the page shows."""

    def __init__(self, page: Any, address: str, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.numbers = itertools.count(1)
        page.goto(address)
        self.form = page.locator(FORM)
        self.expected: Values = grouped(page.evaluate(INITIAL, FORM))
        self.operated: set[str] = set()

    def controls(self) -> dict[str, Control]:
        self.page.evaluate(SETTLED)
        return {entry["name"]: Control(**entry) for entry in self.form.evaluate(CONTROLS)}

    def visible(self) -> set[str]:
        return {control.name for control in self.controls().values() if control.visible}

    def field(self, control: Control) -> Any:
        return self.form.locator(f'[name="{control.name}"]')

    # -- inlines

    def add_inlines(self) -> None:
        """Two forms in each set of inline forms, or one where there may be no more, all unfolded; fields of
        those that are added begin as the empty form has them."""
        blank = {name: values for name, values in self.expected.items() if "__prefix__" in name}
        for group in self.page.locator(".inline-group, [data-inline-type]").all():
            prefix = str(group.get_attribute("id")).removesuffix("-group")
            most = int(self.expected[f"{prefix}-MAX_NUM_FORMS"][0])
            count = min(2, most)
            for folded in group.locator("details:not([open]) > summary").all():
                folded.click()
            for number in range(int(self.expected[f"{prefix}-TOTAL_FORMS"][0]), count):
                group.locator("a.add-row, .add-row a").click()
                for name, values in blank.items():
                    if name.startswith(f"{prefix}-"):
                        self.expected[name.replace("__prefix__", str(number))] = list(values)
            self.expected[f"{prefix}-TOTAL_FORMS"] = [str(count)]

    # -- controls that show and hide others

    def controlling(self) -> list[Control]:
        """Drop-down lists and radio buttons whose value decides what else is shown."""
        choosing = [control for control in self.controls().values() if control.kind in CHOOSING]
        return [control for control in choosing if control.visible and self._decides(control)]

    def _decides(self, control: Control) -> bool:
        before = self.field(control).evaluate_all(VALUE)
        shown = set()
        for value in [*control.choices, before]:
            self.choose(control, value)
            shown.add(frozenset(self.visible()))
        return len(shown) > 1

    def choose(self, control: Control, value: str) -> None:
        field = self.field(control)
        if control.kind == "radio":
            field.and_(self.page.locator(f'[value="{value}"]')).click()
        else:
            field.select_option(value)
        self.expected[control.name] = [value]
        self.operated.add(control.name)

    # -- operating

    def fill(self, *, without: Iterable[str]) -> None:
        """Operate every visible control but those ``without``, also those that come to be shown meanwhile."""
        done = set(without)
        while waiting := [
            control for control in self.controls().values() if control.visible and control.name not in done
        ]:
            for control in waiting:
                self.operate(control)
                done.add(control.name)

    def operate(self, control: Control) -> None:
        """Give a control a value of its own."""
        if control.kind in TYPED:
            self._type(control)
        elif control.kind in CHOOSING:
            self.choose(control, control.choices[-1])
        elif control.kind == "file":
            self._upload(control)
        elif control.kind == "select-multiple":
            self._mark(control)
        elif control.kind == "two-lists":
            self._move(control)
        else:
            self._tick(control)
        self.operated.add(control.name)

    def _type(self, control: Control) -> None:
        number = next(self.numbers)
        typed = str(number) if control.kind == "number" else f"typed {number}"
        self.field(control).click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(typed)
        self.expected[control.name] = [typed]

    def _upload(self, control: Control) -> None:
        path = self.folder / f"upload {next(self.numbers)}.txt"
        path.write_text("a file")
        self.field(control).set_input_files(path)
        self.expected[control.name] = [path.name]

    def _tick(self, control: Control) -> None:
        """Click every box of a list, then click all but every second one again."""
        boxes = self.field(control)
        ticked = set(self.expected.get(control.name, []))
        for place, value in enumerate(control.choices):
            boxes.nth(place).click()
            ticked ^= {value}
        if len(control.choices) > 1:
            for place, value in enumerate(control.choices):
                if place % 2 == 0:
                    boxes.nth(place).click()
                    ticked ^= {value}
        self.expected[control.name] = [value for value in control.choices if value in ticked]

    def _mark(self, control: Control) -> None:
        options = self.field(control).locator("option")
        marked = control.choices[::2]
        options.first.click()
        for place in range(2, len(control.choices), 2):
            options.nth(place).click(modifiers=["ControlOrMeta"])
        self.expected[control.name] = marked

    def _move(self, control: Control) -> None:
        """Move the first and the third option to the list of those that are posted."""
        moved = control.choices[:3:2]
        for value in moved:
            self.form.locator(f'[name="{control.name}_old"] option[value="{value}"]').dblclick()
        self.expected[control.name] = moved

    # -- posting

    def posted(self) -> Values:
        """Save; the request goes nowhere, its body is read."""
        bodies: list[tuple[bytes, str]] = []

        def answer(route: Any) -> None:
            if route.request.method != "POST":
                route.continue_()
                return
            bodies.append((route.request.post_data_buffer, route.request.headers["content-type"]))
            route.fulfill(status=204)

        self.page.route("**/*", answer)
        with self.page.expect_response(lambda response: response.request.method == "POST"):
            self.page.locator("button[name=_save], input[name=_save]").first.click()
        self.page.unroute("**/*")
        return read_body(*bodies[0])


VALUE = """(fields) => (fields.find((field) => field.checked) ?? fields[0]).value"""


def grouped(pairs: Iterable[Iterable[str]]) -> Values:
    """Values by name, without those that are no field of the form."""
    values: Values = {}
    for name, value in pairs:
        if name not in {"csrfmiddlewaretoken", "_save"}:
            values.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return values


def read_body(body: bytes, content_type: str) -> Values:
    """The values of a posted form, urlencoded or in parts; of a file its name."""
    if not content_type.startswith("multipart/"):
        return grouped(parse_qsl(body.decode(), keep_blank_values=True))
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    return grouped(read_part(part) for part in message.walk() if not part.is_multipart())


def read_part(part: Message) -> tuple[str, str]:
    name = str(part.get_param("name", header="content-disposition"))
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    filename = part.get_filename()
    return name, payload.decode() if filename is None else filename
