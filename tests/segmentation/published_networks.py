"""The 17 networks of Sayed et al. 2025, Table 4, as (architecture, encoder)."""

SAYED2025: tuple[tuple[str, str], ...] = (
    *(
        (architecture, encoder)
        for architecture in ("unet", "linknet", "fpn", "pspnet")
        for encoder in ("resnet34", "resnet50", "resnext50", "vgg16")
    ),
    ("deeplabv3plus", "resnet50"),
)
