"""Whose records a meter's are: one writer for each stream."""

from collections.abc import Mapping
from dataclasses import replace

from .api import FlatPeakClient, TariffDirection
from .const import DIRECTION_EXPORT, KIND_GRID
from .journal import MeterState
from .metering import Stream
from .meters import Meter, device_reference_id


async def async_new_state(
    client: FlatPeakClient,
    location_id: str,
    meter: Meter,
    others: Mapping[str, MeterState],
) -> tuple[MeterState, bool]:
    """Return a new meter's state, and whether its stream is new, too.

    Nothing can have been recorded on a device that did not exist. Raises FlatPeakError.

    The first grid meter of a direction is recorded on the location, every other
    one on a FlatPeak device of its own: two meters never write the same stream.
    """
    sells = meter.direction == DIRECTION_EXPORT
    direction = TariffDirection.EXPORT if sells else TariffDirection.IMPORT
    stream = Stream(
        owner=location_id,
        energy_direction=direction,
        tariff_direction=direction,
    )
    is_new = False
    taken = any(state.stream == stream for state in others.values())
    if taken or meter.kind != KIND_GRID:
        name = device_reference_id(meter.key)
        devices = await client.async_list_devices(name)
        device = next(iter(devices), None)
        if device is None:
            device = await client.async_create_device(name)
            is_new = True
        stream = replace(stream, owner=device.id)
    return MeterState(stream=stream, source=meter.source), is_new
