"""The stand-in as Terraform sees it: the plugin protocol, version 6, over gRPC."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import msgpack
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc

from infra.terraform.rest import Google, Refused
from infra.terraform.standin import planning, resources
from infra.terraform.standin.planning import Provider
from infra.terraform.standin.resources import Protected
from infra.terraform.standin.schema import PROVIDER, Block, map_values
from infra.terraform.standin.types import Grant, Resource
from infra.terraform.standin.values import UNKNOWN, Unknown

NAME = "provider stand-in"
NESTING = {"list": pb.Schema.NestedBlock.LIST, "set": pb.Schema.NestedBlock.SET, "single": pb.Schema.NestedBlock.SINGLE}
IMPORTED = b"imported"
"""Private state of a resource between its import and its first read, which therefore reads everything."""


def unpack(value: Any) -> Any:
    """A dynamic value as Python's own; every unknown, refined or not, is `UNKNOWN`."""
    if value.json:
        return json.loads(value.json)
    return msgpack.unpackb(value.msgpack, ext_hook=lambda code, data: UNKNOWN, strict_map_key=False) if value.msgpack else None


def pack(value: Any) -> Any:
    """Python's own as a dynamic value."""
    return pb.DynamicValue(msgpack=msgpack.packb(value, default=_extension))


def _extension(value: Any) -> msgpack.ExtType:
    if isinstance(value, Unknown):
        return msgpack.ExtType(0, b"\x00")
    raise TypeError(f"{type(value).__name__} has no place in a Terraform value")


def protocol_block(block: Block) -> Any:
    """A block of the schema in the protocol's words."""
    return pb.Schema.Block(
        attributes=[
            pb.Schema.Attribute(name=name, type=json.dumps(a.type).encode(), required=a.required, optional=a.optional, computed=a.computed)
            for name, a in sorted(block.attributes.items())
        ],
        block_types=[
            pb.Schema.NestedBlock(
                type_name=name,
                block=protocol_block(nested.block),
                nesting=NESTING[nested.nesting],
                min_items=int(nested.required and nested.nesting != "single"),
                max_items=int(nested.one and nested.nesting != "single"),
            )
            for name, nested in sorted(block.blocks.items())
        ],
    )


def _error(summary: str, detail: str) -> Any:
    return pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary=summary, detail=detail)


class Servicer(rpc.ProviderServicer):  # type: ignore[misc]  # the generated class is untyped
    """One server for every Terraform process of a run.

    Args:
        schemas: type → block; `provider` is the provider's own.
        types: what can be applied; other types are planned only.
    """

    def __init__(self, schemas: dict[str, Block], types: dict[str, Resource | Grant]) -> None:
        self._schemas = schemas
        self._types = types
        self._google = Google()
        self._provider: Provider | None = None
        self._busy = 0
        self._last = time.monotonic()
        self._counting = threading.Lock()

    def idle_seconds(self) -> float:
        """Seconds since the last request ended; 0 while one is being answered."""
        with self._counting:
            return 0.0 if self._busy else time.monotonic() - self._last

    def _at_work(self, work: Callable[[], Any]) -> Any:
        with self._counting:
            self._busy += 1
        try:
            return work()
        finally:
            with self._counting:
                self._busy -= 1
                self._last = time.monotonic()

    def GetMetadata(self, request: Any, context: Any) -> Any:
        """Terraform asks for the schema instead."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "")

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        """The schema that the bindings declare."""
        return pb.GetProviderSchema.Response(
            provider=pb.Schema(block=protocol_block(self._schemas[PROVIDER])),
            provider_meta=pb.Schema(block=pb.Schema.Block()),
            resource_schemas={name: pb.Schema(block=protocol_block(b)) for name, b in self._schemas.items() if name != PROVIDER},
            server_capabilities=pb.ServerCapabilities(plan_destroy=False),
        )

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        """Terraform itself checks a configuration against the schema."""
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        """Terraform itself checks a configuration against the schema."""
        return pb.ValidateResourceConfig.Response()

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        """The state's JSON, made complete for this schema."""
        values = map_values(self._schemas[request.type_name], json.loads(request.raw_state.json), lambda attribute, value: value)
        return pb.UpgradeResourceState.Response(upgraded_state=pack(values))

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        """Keep what resources depend on; one server answers for one configuration."""
        config = unpack(request.config)
        attribution = config.get("add_terraform_attribution_label")
        provider = Provider(
            project=config.get("project"),
            region=config.get("region"),
            zone=config.get("zone"),
            default_labels=config.get("default_labels") or {},
            attribution=attribution is None or attribution is True,
        )
        if self._provider not in (None, provider):
            text = "One stand-in serves one project, region and set of default labels. Plan the environments one after the other."
            return pb.ConfigureProvider.Response(diagnostics=[_error(f"{NAME}: two different provider configurations", text)])
        self._provider = provider
        return pb.ConfigureProvider.Response()

    def _configured(self) -> Provider:
        return self._provider or Provider()

    def ReadResource(self, request: Any, context: Any) -> Any:
        """What Google has now; types that are planned only stay as they are."""
        return self._at_work(lambda: self._read(request))

    def _read(self, request: Any) -> Any:
        type_, block = self._types.get(request.type_name), self._schemas[request.type_name]
        if type_ is None:
            return pb.ReadResource.Response(new_state=request.current_state, private=request.private)
        everything = request.private == IMPORTED
        try:
            state = resources.read(self._google, type_, block, unpack(request.current_state), self._configured(), everything)
        except Refused as error:
            return pb.ReadResource.Response(
                new_state=request.current_state, diagnostics=[_error(f"{NAME}: {request.type_name} cannot be read", str(error))]
            )
        return pb.ReadResource.Response(new_state=pack(state))

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        """Unknown values, labels and replacements."""
        prior, proposed = unpack(request.prior_state), unpack(request.proposed_new_state)
        if proposed is None:
            return pb.PlanResourceChange.Response(planned_state=request.proposed_new_state)
        type_, block = self._types.get(request.type_name), self._schemas[request.type_name]
        planned = planning.plan(block, prior, proposed, self._configured())
        paths: list[Any] = []
        diagnostics = []
        if isinstance(type_, Resource) and prior is not None:
            paths = planning.replacing(type_, prior, planned)
        elif isinstance(type_, Grant) and prior is not None and planned != prior:
            paths = [[name] for name in block.attributes if prior.get(name) != planned.get(name)]
        elif type_ is None:
            diagnostics.append(_planned_only(request.type_name, pb.Diagnostic.WARNING))
        return pb.PlanResourceChange.Response(
            planned_state=pack(planned), requires_replace=list(map(_path, paths)), diagnostics=diagnostics, legacy_type_system=True
        )

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:
        """Create, change or delete, by the calls that the provider would make."""
        return self._at_work(lambda: self._apply(request))

    def _apply(self, request: Any) -> Any:
        name, prior, planned = request.type_name, unpack(request.prior_state), unpack(request.planned_state)
        type_, block, provider = self._types.get(name), self._schemas[name], self._configured()
        verb = "created" if prior is None else "deleted" if planned is None else "changed"
        if type_ is None:
            return pb.ApplyResourceChange.Response(new_state=request.prior_state, diagnostics=[_planned_only(name, pb.Diagnostic.ERROR)])
        try:
            if prior is None:
                state = resources.create(self._google, type_, block, planned, provider)
            elif planned is None:
                resources.delete(self._google, type_, prior, provider)
                state = None
            elif isinstance(type_, Grant):
                state = resources.known(planned)
            else:
                state = resources.update(self._google, type_, block, prior, planned, provider)
        except (Refused, Protected) as error:
            return pb.ApplyResourceChange.Response(
                new_state=request.prior_state, diagnostics=[_error(f"{NAME}: {name} cannot be {verb}", str(error))]
            )
        return pb.ApplyResourceChange.Response(new_state=pack(state), legacy_type_system=True)

    def ImportResourceState(self, request: Any, context: Any) -> Any:
        """Place and name, from the id; the read that follows fills in the rest."""
        type_, block = self._types.get(request.type_name), self._schemas[request.type_name]
        state = resources.imported(type_, block, request.id) if isinstance(type_, Resource) else None
        if state is None:
            text = f"{request.id!r} is no id of {request.type_name}."
            return pb.ImportResourceState.Response(diagnostics=[_error(f"{NAME}: cannot import", text)])
        complete = map_values(block, state, lambda attribute, value: value)
        return pb.ImportResourceState.Response(
            imported_resources=[
                pb.ImportResourceState.ImportedResource(type_name=request.type_name, state=pack(complete), private=IMPORTED)
            ]
        )

    def GetFunctions(self, request: Any, context: Any) -> Any:
        """None are offered."""
        return pb.GetFunctions.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:
        """Calls to Google are short; those under way are finished, so that the state records them."""
        return pb.StopProvider.Response()


def _planned_only(name: str, severity: Any) -> Any:
    text = (
        f"The stand-in plans {name}; only the google provider can apply it. "
        "Fetch that where the Terraform registry answers: python -m infra.terraform providers"
    )
    return pb.Diagnostic(severity=severity, summary=f"{NAME}: {name} is planned only", detail=text)


def _path(steps: list[str | int]) -> Any:
    return pb.AttributePath(
        steps=[
            pb.AttributePath.Step(attribute_name=step) if isinstance(step, str) else pb.AttributePath.Step(element_key_int=step)
            for step in steps
        ]
    )
