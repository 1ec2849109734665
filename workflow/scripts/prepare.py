from sigmoid_bce.jobs.forkserver import forked

forked("tables")

from pydantic import TypeAdapter

from sigmoid_bce.data.items import items
from sigmoid_bce.data.prepare import prepare
from sigmoid_bce.jobs.logs import logged_to
from sigmoid_bce.study.datasets import Dataset, Images

with logged_to(snakemake.log[0], snakemake.output):
    dataset = TypeAdapter(Dataset).validate_python(snakemake.params.dataset)
    form = {}
    if isinstance(dataset, Images):
        form = {"size": dataset.image_size, "channels": dataset.channels}
        form["max_pixels"] = dataset.max_pixels
    prepare(
        items(dataset, snakemake.input.get("file") or None),
        dataset.split,
        images=snakemake.output.images,
        manifest=snakemake.output.manifest,
        quarantine=snakemake.output.quarantine,
        summary=snakemake.output.summary,
        classes=dataset.classes or ("", dataset.positive),
        duplicates=dataset.duplicates,
        **form,
    )
