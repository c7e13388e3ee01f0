"""Check an integration as hassfest and HACS would, without the network.

ha_gate.py REPOSITORY DOMAIN     prints the findings, or "ok"
"""

import ast
from collections.abc import Callable, Iterator
import json
from pathlib import Path
import re
import struct
import sys
from typing import Any

from awesomeversion import AwesomeVersion, AwesomeVersionStrategy as Strategy
from homeassistant.const import Platform
from homeassistant.helpers import selector
from homeassistant.util.yaml import load_yaml_dict
import probatio as vol

VERSIONS = [
    Strategy.CALVER,
    Strategy.SEMVER,
    Strategy.SIMPLEVER,
    Strategy.BUILDVER,
    Strategy.PEP440,
]
INTEGRATION_TYPES = ["device", "helper", "hub", "service"]
IOT_CLASSES = [
    "assumed_state",
    "calculated",
    "cloud_polling",
    "cloud_push",
    "local_polling",
    "local_push",
]
# Components that need no dependency in the manifest.
ALWAYS_THERE = {str(platform) for platform in Platform} | {
    "automation",
    "conversation",
    "device_automation",
    "frontend",
    "group",
    "homeassistant",
    "media_source",
    "onboarding",
    "person",
    "persistent_notification",
    "script",
    "sun",
    "system_health",
    "webhook",
    "websocket_api",
    "zone",
}
TRANSLATED = {
    "application_credentials",
    "common",
    "conditions",
    "config",
    "config_subentries",
    "device",
    "device_automation",
    "entity",
    "entity_component",
    "exceptions",
    "issues",
    "options",
    "preview_features",
    "selector",
    "services",
    "system_health",
    "title",
    "triggers",
}
PLACEHOLDER = re.compile(r"(?<!\{)\{(\w+)\}")
UNWANTED_TEXT = {
    r"\[%key:": "unresolved reference",
    r"<[^>]+>": "HTML",
    r"https?://": "literal URL (use a placeholder)",
}
FIELD = vol.Schema(
    {
        vol.Optional("required"): bool,
        vol.Optional("default"): object,
        vol.Optional("example"): object,
        vol.Optional("advanced"): bool,
        vol.Optional("filter"): dict,
        vol.Optional("selector"): selector.validate_selector,
    }
)
HACS = vol.Schema(
    {
        vol.Required("name"): str,
        vol.Optional("homeassistant"): str,
        vol.Optional("hacs"): str,
        vol.Optional("country"): vol.Any(str, [str]),
        vol.Optional("filename"): str,
        vol.Optional("zip_release"): bool,
        vol.Optional("content_in_root"): bool,
        vol.Optional("hide_default_branch"): bool,
        vol.Optional("persistent_directory"): str,
    }
)


def version(text: str) -> str:
    """Return a version that Home Assistant's loader accepts."""
    try:
        AwesomeVersion(text, ensure_strategy=VERSIONS)
    except Exception as error:
        raise vol.Invalid(str(error)) from error
    return text


def manifest_schema(domain: str) -> Callable[[object], object]:
    """Return what a custom integration's manifest may hold."""
    schema: Callable[[object], object] = vol.Schema(
        {
            vol.Required("domain"): domain,
            vol.Required("name"): str,
            vol.Required("version"): version,
            vol.Required("codeowners"): [vol.Match(r"^@[\w/-]+$")],
            vol.Required("documentation"): vol.Url(),
            vol.Required("issue_tracker"): vol.Url(),
            vol.Required("integration_type"): vol.In(INTEGRATION_TYPES),
            vol.Required("iot_class"): vol.In(IOT_CLASSES),
            vol.Optional("config_flow"): bool,
            vol.Optional("single_config_entry"): bool,
            vol.Optional("import_executor"): bool,
            vol.Optional("dependencies"): [str],
            vol.Optional("after_dependencies"): [str],
            vol.Optional("loggers"): [str],
            vol.Optional("requirements"): [
                vol.Match(r"^[A-Za-z0-9._-]+(\[[^]]+\])?==\S+$")
            ],
            vol.Optional("quality_scale"): str,
            vol.Optional("preview_features"): dict,
        }
    )
    return schema


def complaints(
    check: Callable[[object], object], value: object, where: str
) -> Iterator[str]:
    """Yield what a schema says against a value."""
    try:
        check(value)
    except vol.MultipleInvalid as error:
        yield from (f"{where}: {one}" for one in error.errors)
    except vol.Invalid as error:
        yield f"{where}: {error}"


def flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of a nested dictionary, with dotted keys."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def read(path: Path) -> dict[str, Any]:
    """Return a JSON file's object."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


class Code(ast.NodeVisitor):
    """Collect the components that a module imports and the texts that it uses."""

    def __init__(self) -> None:
        """Start with nothing found."""
        self.components: set[str] = set()
        self.future: set[str] = set()
        self.texts: set[tuple[str, str]] = set()

    def visit_If(self, node: ast.If) -> None:
        """Pass over what only a type checker sees."""
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Note a component."""
        module = node.module or ""
        names = {alias.name for alias in node.names}
        if module.startswith("homeassistant.components."):
            self.components.add(module.split(".")[2])
        elif module == "homeassistant.components":
            self.components |= names
        elif module == "__future__":
            self.future |= names

    def visit_Call(self, node: ast.Call) -> None:
        """Note the translation of an exception or an issue."""
        self.generic_visit(node)
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        key = given.get("translation_key")
        if not isinstance(key, ast.Constant):
            return
        if ast.unparse(node.func).endswith("async_create_issue"):
            self.texts.add(("issues", str(key.value)))
        elif "translation_domain" in given:
            self.texts.add(("exceptions", str(key.value)))


def check_manifest(home: Path) -> Iterator[str]:
    """Check the manifest by itself."""
    manifest = read(home / "manifest.json")
    yield from complaints(manifest_schema(home.name), manifest, "manifest")
    first = {"domain": ".1", "name": ".2"}
    if list(manifest) != sorted(manifest, key=lambda key: first.get(key, key)):
        yield "manifest: keys not sorted (domain, name, then A-Z)"
    if manifest.get("config_flow") and not (home / "config_flow.py").is_file():
        yield "config_flow.py missing"


def check_code(home: Path) -> Iterator[str]:
    """Check imports against the manifest, and used texts against the translations."""
    manifest = read(home / "manifest.json")
    english = read(home / "translations/en.json")
    allowed = ALWAYS_THERE | {home.name}
    for key in ("dependencies", "after_dependencies"):
        allowed |= set(manifest.get(key, []))
    for path in sorted(home.rglob("*.py")):
        code = Code()
        code.visit(ast.parse(path.read_text(encoding="utf-8")))
        where = path.relative_to(home).as_posix()
        for component in sorted(code.components - allowed):
            if not (home / f"{component}.py").is_file():
                yield f"{where}: imports {component}, which is in no dependency list"
        for name in sorted(code.future):
            yield f"{where}: from __future__ import {name} (not needed on 3.14)"
        for section, key in sorted(code.texts):
            if key not in english.get(section, {}):
                yield f"{where}: uses {section}.{key}, which has no translation"


def check_english(home: Path) -> Iterator[str]:
    """Check the English texts, which all other languages follow."""
    english = read(home / "translations/en.json")
    if unknown := set(english) - TRANSLATED:
        yield f"en.json: unknown top-level keys {sorted(unknown)}"
    texts = dict(flat(english))
    for key, text in texts.items():
        for pattern, fault in UNWANTED_TEXT.items():
            if re.search(pattern, text):
                yield f"en.json: {fault} at {key}"
        described = key.replace(".data.", ".data_description.")
        if key.startswith(("config", "options")) and described not in texts:
            yield f"en.json: no data_description for {key}"


def check_languages(home: Path) -> Iterator[str]:
    """Check every language against the English one."""
    english = dict(flat(read(home / "translations/en.json")))
    for path in sorted((home / "translations").glob("*.json")):
        for key, text in flat(read(path)):
            if key not in english:
                yield f"{path.name}: {key} not in en.json"
            elif sorted(PLACEHOLDER.findall(text)) != sorted(
                PLACEHOLDER.findall(english[key])
            ):
                yield f"{path.name}: placeholders differ at {key}"


def check_described(home: Path) -> Iterator[str]:
    """Check actions, triggers and conditions and their texts."""
    english = read(home / "translations/en.json")
    for name in ("services", "triggers", "conditions"):
        path = home / f"{name}.yaml"
        described = load_yaml_dict(str(path)) if path.is_file() else {}
        for key, entry in described.items():
            if not key.startswith("."):
                texts = english.get(name, {}).get(key, {})
                yield from check_one_described(f"{name}.{key}", entry or {}, texts)


def check_one_described(
    where: str, entry: dict[str, Any], texts: dict[str, Any]
) -> Iterator[str]:
    """Check one action, trigger or condition."""
    if "target" in entry:
        check = selector.TargetSelector.CONFIG_SCHEMA
        yield from complaints(check, entry["target"], f"{where}.target")
    for wanted in ("name", "description"):
        if wanted not in texts:
            yield f"{where}: no {wanted} in en.json"
    for field, value in entry.get("fields", {}).items():
        yield from complaints(FIELD, value, f"{where}.{field}")
        if "name" not in texts.get("fields", {}).get(field, {}):
            yield f"{where}.{field}: no name in en.json"


def check_icons(home: Path) -> Iterator[str]:
    """Check the icons of entities and actions."""
    if not (home / "icons.json").is_file():
        return
    icons = read(home / "icons.json")
    entities = read(home / "translations/en.json").get("entity", {})
    for key, icon in flat(icons):
        if not icon.startswith("mdi:"):
            yield f"icons.json: {key} is not an mdi icon"
    for platform, keys in icons.get("entity", {}).items():
        for key in keys:
            if key not in entities.get(platform, {}):
                yield f"icons.json: entity.{platform}.{key} has no translation"


def check_repository(home: Path) -> Iterator[str]:
    """Check what HACS and the marketplace ask of a repository."""
    root = home.parent.parent
    hacs = read(root / "hacs.json")
    yield from complaints(HACS, hacs, "hacs.json")
    if hacs.get("zip_release") and not hacs.get("filename"):
        yield "hacs.json: zip_release needs filename"
    folders = [path for path in home.parent.iterdir() if path.is_dir()]
    if len([path for path in folders if path.name != "__pycache__"]) != 1:
        yield "more than one integration in custom_components/"
    if not (root / "README.md").is_file():
        yield "no README.md"
    for name, size in (("icon.png", 256), ("icon@2x.png", 512)):
        path = home / "brand" / name
        if not path.is_file():
            yield f"brand/{name} missing"
        elif struct.unpack(">II", path.read_bytes()[16:24]) != (size, size):
            yield f"brand/{name} is not {size}x{size}"


CHECKS = (
    check_manifest,
    check_code,
    check_english,
    check_languages,
    check_described,
    check_icons,
    check_repository,
)


def main(root: str, domain: str) -> int:
    """Print the findings and return the exit code."""
    home = Path(root).resolve() / "custom_components" / domain
    findings = [finding for check in CHECKS for finding in check(home)]
    print(*(findings or ["ok"]), sep="\n")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
