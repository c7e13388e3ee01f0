"""Fields that several dialogues have."""

from collections import Counter
from collections.abc import Iterable, Mapping

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


def select_sources(
    infos: Iterable[SourceInfo], *, multiple: bool = False
) -> SelectSelector:
    """Return a list of statistics; the id tells those of the same name apart."""
    offered = list(infos)
    uses = Counter(info.name for info in offered)
    labels = {
        info.statistic_id: info.name
        if uses[info.name] == 1
        else f"{info.name} ({info.statistic_id})"
        for info in offered
    }
    return select(labels, multiple=multiple)


def choose(translation_key: str, *values: str) -> SelectSelector:
    """Return one of a few words, whose texts are translated."""
    return SelectSelector(
        SelectSelectorConfig(
            options=list(values),
            translation_key=translation_key,
            mode=SelectSelectorMode.LIST,
        )
    )
