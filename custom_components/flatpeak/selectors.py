"""Fields that several dialogues have."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, override

from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from .sources import SourceInfo

PASSWORD = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
POWER = NumberSelector(
    NumberSelectorConfig(
        min=0.1,
        max=10_000,
        step="any",
        unit_of_measurement="kW",
        mode=NumberSelectorMode.BOX,
    )
)


class OpenSelector(SelectSelector):
    """A list that leaves it to the dialogue to say what is wrong with a value.

    A list that takes typed values shows the id of what is chosen, not its name.
    """

    @override
    def __call__(self, data: Any) -> str:
        """Take any text."""
        return str(data)


def select(labels: Mapping[str, str], *, multiple: bool = False) -> SelectSelector:
    """Return a searchable list in which an id can be typed as well."""
    return SelectSelector(
        SelectSelectorConfig(
            options=[
                SelectOptionDict(value=value, label=label)
                for value, label in labels.items()
            ],
            multiple=multiple,
            custom_value=True,
            mode=SelectSelectorMode.DROPDOWN,
        )
    )


def select_sources(infos: Iterable[SourceInfo]) -> SelectSelector:
    """Return a list of which several statistics are chosen."""
    return select(source_labels({i.statistic_id: i.name for i in infos}), multiple=True)


def select_source(names: Mapping[str, str]) -> SelectSelector:
    """Return a list of which one statistic is chosen, by its name."""
    return OpenSelector(
        SelectSelectorConfig(
            options=[
                SelectOptionDict(value=value, label=label)
                for value, label in source_labels(names).items()
            ],
            mode=SelectSelectorMode.DROPDOWN,
        )
    )


def source_labels(names: Mapping[str, str]) -> dict[str, str]:
    """Return the names of statistics; the id tells those of the same name apart."""
    uses = Counter(names.values())
    return {
        id_: name if uses[name] == 1 else f"{name} ({id_})"
        for id_, name in names.items()
    }


def choose(translation_key: str, *values: str) -> SelectSelector:
    """Return one of a few words, whose texts are translated."""
    return SelectSelector(
        SelectSelectorConfig(
            options=list(values),
            translation_key=translation_key,
            mode=SelectSelectorMode.LIST,
        )
    )
