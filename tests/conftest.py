"""What the Home Assistant tests share: a real recorder, and FlatPeak over HTTP."""

from collections.abc import AsyncIterator, Generator
import json
import logging
from pathlib import Path

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.recorder.core import Recorder
from homeassistant.core import HomeAssistant
import pytest
import pytest_socket

from .home import ACCOUNT, KEY, Home
from .simulator import FlatPeakSimulator

# The plugin lets every statement be logged, which takes longer than executing it.
logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Ask of each module what `--cov-fail-under` asks of all together."""
    result = yield
    config = session.config
    least = config.getoption("cov_fail_under", None)
    if least is None or config.option.collectonly:
        return result
    report = config.rootpath / ".coverage.json"
    config.pluginmanager.getplugin("_cov").cov_controller.cov.json_report(
        outfile=str(report)
    )
    files = json.loads(report.read_text())["files"]
    report.unlink()
    low = {
        name: file["summary"]["percent_covered"]
        for name, file in files.items()
        if file["summary"]["percent_covered"] < least
    }
    for name, percent in low.items():
        config.pluginmanager.getplugin("terminalreporter").write_line(
            f"{name}: {percent:.1f} % covered is less than {least:g} %", red=True
        )
    session.testsfailed += bool(low)
    return result


@pytest.fixture
def enable_statistics() -> bool:
    """Let the recorder compile statistics, as it does in real life."""
    return True


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give each test a configuration folder of its own, for the books."""
    (Path(hass_tmp_config_dir) / ".storage").mkdir()
    return hass_tmp_config_dir


@pytest.fixture
def lives_allowed(socket_enabled: None) -> None:
    """Let a test start lives: the server that forks them has a Unix socket."""
    pytest_socket.socket_allow_hosts(["127.0.0.1"], allow_unix_socket=True)


@pytest.fixture
async def flatpeak(socket_enabled: None) -> AsyncIterator[FlatPeakSimulator]:
    """Run a FlatPeak with an account."""
    async with FlatPeakSimulator() as simulator:
        simulator.add_account(ACCOUNT, KEY)
        yield simulator


@pytest.fixture
async def home(
    freezer: FrozenDateTimeFactory,  # first: the recorder sets its clock at its start
    recorder_mock: Recorder,
    enable_custom_integrations: None,
    hass: HomeAssistant,
    flatpeak: FlatPeakSimulator,
) -> Home:
    """Return a home whose clock the test moves, from `freeze_time` on."""
    hass.config.currency = "GBP"  # as FlatPeak's locations have it
    return Home(hass, flatpeak, freezer)
