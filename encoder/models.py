"""Brain data, fitted encoding models, and the targets made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from encoder.folders import artifact_root, picture_root, target_root

__all__ = [
    "Dataset",
    "Encoder",
    "EncoderReport",
    "EncoderVersion",
    "FeatureSpace",
    "Region",
    "Target",
    "artifact_root",
    "read_heldout",
    "target_root",
]

DIGEST_LENGTH = 64
WITHOUT_TABLE = ("world", "emonet", "events", "timm", "open_clip", "transformers", "torch")


class Dataset(models.Model):
    """A folder of BOLD runs in BIDS layout, or of weights that somebody else fitted."""

    class Kind(models.TextChoices):
        MEASURED = "measured", "measured"
        SIMULATED = "simulated", "simulated, with known truth"
        WEIGHTS = "weights", "weights alone, fitted elsewhere"

    name = models.CharField(max_length=120, unique=True)
    root = models.CharField(
        "folder", max_length=1000, help_text="Absolute path of a BIDS folder on the server."
    )
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.MEASURED)
    description = models.TextField(blank=True)
    anatomy = models.CharField(
        "anatomical image",
        max_length=1000,
        blank=True,
        help_text="NIfTI file beneath the maps, in the space of the runs. Empty: each subject's mean BOLD.",
    )
    subjects = models.JSONField(default=list, editable=False)
    runs = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(root=""), name="dataset_has_a_folder"),
        ]

    def __str__(self) -> str:
        return self.name


class Region(models.Model):
    """A region of interest of a dataset: a mask, or what a specification makes of atlases, maps and masks.

    ``spec`` is what ``almond.encoding.config.regions`` reads, without names of other regions: those were
    written out when the region was added, so that it changes with no other. ``{}``: the mask alone.
    ``mask_digest`` is of the mask's bytes, or of the specification with the bytes of its files.
    """

    class Kind(models.TextChoices):
        MASK = "mask", "a mask: every voxel that is not 0"
        ATLAS = "atlas", "areas of an atlas, by label"
        MAP = "map", "a map above or below a threshold"
        UNION = "union", "the union of other regions"
        DIFFERENCE = "difference", "a region without others"
        WEIGHTS = "weights", "known by its weights alone"

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="regions")
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.MASK)
    mask_path = models.CharField(
        "mask file", max_length=1000, blank=True, help_text="Absolute path of a NIfTI mask."
    )
    spec = models.JSONField(default=dict, blank=True, editable=False)
    parts = models.JSONField(default=list, blank=True, editable=False)
    mask_digest = models.CharField("digest", max_length=DIGEST_LENGTH, blank=True, editable=False)

    class Meta:
        ordering = ["dataset__name", "name"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "name"], name="region_named_once_per_dataset"),
            models.CheckConstraint(
                condition=(Q(kind="mask") & ~Q(mask_path="")) | (~Q(kind="mask") & Q(mask_path="")),
                name="only_a_mask_has_a_mask_file",
            ),
            models.CheckConstraint(
                condition=Q(kind="weights") | ~Q(mask_digest=""), name="region_has_a_digest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.dataset})"

    @property
    def value(self) -> Any:
        """What a configuration says of it."""
        return self.spec or self.mask_path

    @property
    def shown_mask(self) -> str:
        """The mask's path as people read it: below the dataset's folder where it is."""
        return self.mask_path.removeprefix(f"{self.dataset.root}/")


class FeatureSpace(models.Model):
    """Where images become numbers: a network, or a table of features computed elsewhere.

    ``spec`` holds what the kind needs beside ``path``, as ``almond.encoding.config.features`` reads it.
    ``digest`` and ``dimension`` are noted when it is first used, ``file_digests`` too: bytes of the table,
    weights or film by path. A change of any of them is refused from then on.
    """

    class Kind(models.TextChoices):
        WORLD = "world", "the network that comes with Almond (fc7)"
        EMONET = "emonet", "EmoNet, from its weights file"
        TABLE = "table", "a table of precomputed features"
        EVENTS = "events", "conditions of the events"
        TIMM = "timm", "a network of timm"
        OPEN_CLIP = "open_clip", "a CLIP of open_clip"
        TRANSFORMERS = "transformers", "a vision model of transformers"
        TORCH = "torch", "any PyTorch module"

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.WORLD)
    path = models.CharField("table file", max_length=1000, blank=True, help_text="Only for a table.")
    spec = models.JSONField(default=dict, blank=True, editable=False)
    digest = models.CharField(max_length=DIGEST_LENGTH, blank=True, editable=False)
    file_digests = models.JSONField(default=dict, blank=True, editable=False)
    dimension = models.PositiveIntegerField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=WITHOUT_TABLE, path="") | (Q(kind="table") & ~Q(path="")),
                name="only_a_table_has_a_file",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def value(self) -> dict[str, Any]:
        """What a configuration says of it."""
        found: dict[str, Any] = {"kind": self.kind, **self.spec}
        return {**found, "path": self.path} if self.path else found

    @property
    def is_network(self) -> bool:
        """Whether it can look at new images."""
        return self.kind not in (self.Kind.TABLE, self.Kind.EVENTS)


class Encoder(models.Model):
    """How voxels are predicted from features: the settings of one encoding model."""

    class Model(models.TextChoices):
        PLS = "pls", "partial least squares (SIMPLS)"
        RIDGE = "ridge", "ridge regression"
        BANDED = "banded", "banded ridge, several feature spaces"
        SHARED = "shared", "one space for all subjects, ridge to each"
        FLOW = "flow", "convolutional anchor with flow matching"
        IMPORTED = "imported", "weights fitted elsewhere"

    name = models.CharField(max_length=120, unique=True)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="encoders")
    feature_space = models.ForeignKey(FeatureSpace, on_delete=models.PROTECT, related_name="encoders")
    more_spaces = models.ManyToManyField(
        FeatureSpace,
        blank=True,
        related_name="banded_encoders",
        help_text="Beside the first one, for banded ridge.",
    )
    model = models.CharField(max_length=8, choices=Model.choices, default=Model.PLS)
    regions = models.ManyToManyField(Region, related_name="encoders")
    config = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def subjects(self) -> list[str]:
        """The subjects of the dataset, without the ``sub-`` prefix."""
        return list(self.dataset.subjects)

    @property
    def of_all_subjects(self) -> bool:
        """Whether one job fits all subjects together."""
        return self.model in (self.Model.SHARED, self.Model.FLOW)


class EncoderVersion(models.Model):
    """One fitted artifact: the weights of one region of one subject, in a folder named by its digest."""

    encoder = models.ForeignKey(Encoder, on_delete=models.PROTECT, related_name="versions")
    subject = models.CharField(max_length=60)
    region = models.ForeignKey(Region, on_delete=models.PROTECT, related_name="versions")
    model = models.CharField(max_length=8, choices=Encoder.Model.choices)
    digest = models.CharField(max_length=DIGEST_LENGTH, db_index=True)
    path = models.CharField(max_length=1000)
    metrics = models.JSONField(default=dict)
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="encoder_versions"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["encoder__name", "region__name", "subject", "-id"]
        verbose_name = "fitted region"
        constraints = [
            # Two encoders with the same settings rightly give the same artifact: unique per encoder.
            # All regions of a group model lie in one folder: unique per subject and region too.
            models.UniqueConstraint(
                fields=["encoder", "digest", "subject", "region"], name="artifact_once_per_encoder"
            ),
            models.CheckConstraint(condition=~Q(digest=""), name="version_has_a_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.region.name} of sub-{self.subject} ({self.digest[:8]})"

    @property
    def heldout_r(self) -> float | None:
        """Mean over voxels of the held-out correlation, in [-1, 1]."""
        return read_heldout(self.metrics)

    @property
    def pictures(self) -> Path:
        """The folder of its maps, once they are drawn: encoders may share an artifact, then its maps too."""
        return picture_root() / f"{self.digest}-{self.subject}-{self.region_id}"


def read_heldout(metrics: dict[str, Any]) -> float | None:
    """The mean held-out correlation in an artifact's metrics, or None where none was recorded."""
    for name in ("heldout_r_mean", "heldout_r"):
        found = metrics.get(name)
        if isinstance(found, dict):
            found = found.get("mean")
        if isinstance(found, int | float):
            return float(found)
    return None


class TargetQuerySet(models.QuerySet["Target"]):
    def ready(self) -> TargetQuerySet:
        """Targets whose weights have been made."""
        return self.exclude(digest="")

    def guides(self) -> TargetQuerySet:
        return self.ready().filter(role=Target.Role.GUIDE)

    def judges(self) -> TargetQuerySet:
        return self.ready().filter(role=Target.Role.JUDGE)


class Target(models.Model):
    """A direction in feature space: what images are pushed along, or judged by.

    A *guide* steers generation. A *judge* is made of other subjects and only reads what came out: judging
    with the weights that guided would be circular.
    """

    class Kind(models.TextChoices):
        REGION = "region", "predicted response of a region"
        CONTRAST = "contrast", "weighted difference of regions"
        AXIS = "axis", "axis: a direction found in scores or images"

    class Role(models.TextChoices):
        GUIDE = "guide", "guide: steers generation"
        JUDGE = "judge", "judge: held out, only reads"

    name = models.CharField(max_length=60, help_text="For example the region's name.")
    encoder = models.ForeignKey(Encoder, on_delete=models.PROTECT, related_name="targets")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.REGION)
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.GUIDE)
    subjects = models.JSONField(default=list, blank=True, help_text="Whose weights are averaged.")
    coefficients = models.JSONField(default=dict, help_text="Region name -> weight; one region has weight 1.")
    axis = models.JSONField(default=dict, blank=True, editable=False, help_text="How an axis is found.")
    of_guide = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="own_judges",
        help_text="The one guide that a judge of all other subjects judges.",
    )
    reference = models.JSONField(default=dict, blank=True, editable=False)
    digest = models.CharField(max_length=DIGEST_LENGTH, blank=True, editable=False)
    path = models.CharField(max_length=1000, blank=True, editable=False)
    sources = models.JSONField(default=list, editable=False)
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="targets"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Target]] = models.Manager.from_queryset(TargetQuerySet)()

    class Meta:
        ordering = ["encoder__name", "role", "id"]
        constraints = [
            models.UniqueConstraint(fields=["encoder", "name", "role"], name="target_named_once_per_role"),
            models.CheckConstraint(
                condition=(Q(digest="") & Q(path="")) | (~Q(digest="") & ~Q(path="")),
                name="target_is_made_or_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"

    @property
    def score_name(self) -> str:
        """The name under which scores of this target are stored; a judge never shares a guide's."""
        return self.name if self.role == self.Role.GUIDE else f"{self.name}_judge"


class EncoderReport(models.Model):
    """Statistics over the subjects of an encoder, as a job writes them into a folder."""

    class Kind(models.TextChoices):
        EVALUATION = "evaluation", "group evaluation"
        VALIDATION = "validation", "validation on images with norms"

    encoder = models.ForeignKey(Encoder, on_delete=models.PROTECT, related_name="reports")
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.EVALUATION)
    name = models.CharField(max_length=120, unique=True)
    config = models.JSONField(default=dict, blank=True, editable=False)
    path = models.CharField(max_length=1000, blank=True, editable=False)
    sources = models.JSONField(default=list, editable=False)
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="reports"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "report"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["evaluation", "validation"]), name="report_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> Path:
        return Path(self.path)
