"""A secret that has no key signs nothing: whoever is given one is told at the start, not by deliveries that fail."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from services.capture.domain.channels.endpoints import Addresses
from services.metrics.settings import MetricsSettings
from services.pipeline.settings import PipelineSettings
from shared.contracts.policy import Policy
from shared.contracts.standard_webhooks import signing_key
from shared.kit.settings import InvalidSettings, read_settings

KEYLESS = (
    "whsec_",
    "whsec_====",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
    "whsec_not base64 at all",
    "whsec_é" + "A" * 15,
)
GOOD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_secret_is_its_key_or_has_it_behind_the_prefix() -> None:
    assert signing_key("a secret, é and all") == "a secret, é and all".encode()
    assert signing_key("whsec_YWJj") == b"abc"
    assert signing_key("") == b""


@pytest.mark.parametrize("secret", KEYLESS)
def test_a_prefix_without_a_key_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="no key in base64") as told:
        signing_key(secret)
    assert secret.removeprefix("whsec_")[:6] not in str(told.value) or secret == "whsec_"


@pytest.mark.parametrize(
    ("settings", "variable"),
    [(PipelineSettings, "PIPELINE_MAIL_PROVIDER_SECRET"), (MetricsSettings, "METRICS_REPORT_SECRETS")],
)
def test_a_service_does_not_start_with_a_secret_that_has_no_key(
    monkeypatch: pytest.MonkeyPatch, settings: type[PipelineSettings | MetricsSettings], variable: str
) -> None:
    named = "crm=" if settings is MetricsSettings else ""
    monkeypatch.setenv("LEADFLOW_API_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("LEADFLOW_IDENTITY_SECRET", "0123456789abcdef")
    monkeypatch.setenv(variable, named + GOOD)
    read_settings(settings)
    monkeypatch.setenv(variable, named + KEYLESS[2])
    with pytest.raises(InvalidSettings, match=f"{variable}.*no key in base64") as told:
        read_settings(settings)
    assert "MfKQ" not in str(told.value)


@pytest.mark.parametrize(
    ("secrets", "told"), [({"DESK": (GOOD,)}, 0), ({"DESK": (GOOD, KEYLESS[2])}, 1), ({"DESK": KEYLESS[2:4]}, 2)]
)
def test_capture_does_not_start_where_deliveries_could_not_be_proven(
    secrets: Mapping[str, tuple[str, ...]], told: int
) -> None:
    desk = {"adapter": "standard_webhooks", "channel": "partner", "secret": "DESK"}
    other = {"adapter": "typeform", "channel": "form", "secret": "DESK"}
    addresses = Addresses(
        Policy.model_validate({"version": "test", "defaults": {"endpoints": {"desk": desk, "asked": other}}})
    )
    faults = addresses.faults(secrets)
    assert len(faults) == told
    assert all("default.endpoints.desk: a secret DESK" in fault and "MfKQ" not in fault for fault in faults)
