"""What the printed numbers of Sayed et al. 2025 imply."""

from __future__ import annotations

from math import comb, fsum

from pipeline.papers.facts import Facts
from pipeline.papers.finding import Finding, agrees_if
from pipeline.papers.recompute import (
    Matrix,
    background_iou,
    balanced_shares,
    dice_loss_floor,
    dice_of_iou,
    exact_interval,
    least_units,
    matrices,
    mcnemar_bounds,
    mean,
    positives,
    prints_as,
)

__all__ = ["check", "confusion_matrices"]

RATES = ("accuracy", "recall", "specificity", "precision", "f1")
DICE_SLACK = 0.1  # points that a mean Dice over four classes may lie below the Dice of the mean IoU
FOREGROUND = ("iou_spine", "iou_vertebra", "iou_disc")  # of `segmentation_ensemble`


def check(facts: Facts) -> list[Finding]:
    """The findings, in the order of the paper's tables."""
    return [
        *_data(facts),
        *_classification(facts),
        *_ablation(facts),
        *_significance(facts),
        *_weights(facts),
        _class_weights(facts),
        *_segmentation(facts),
        _table_5(),
        *_networks(facts),
    ]


def confusion_matrices(facts: Facts) -> dict[str, list[Matrix]]:
    """Row of Table 2 -> the confusion matrices on the test discs that print as it; one, where it is told exactly.

    Empty lists where no number of positives fits all rows.
    """
    table, (units,) = facts.tables["classification"], facts.whole("test_discs")
    rows = {name: {rate: table.row(name)[rate] for rate in RATES} for name in table.rows}
    counts = positives(list(rows.values()), units)
    return {name: [one for count in counts for one in matrices(row, units, count)] for name, row in rows.items()}


def _data(facts: Facts) -> list[Finding]:
    plid, normal, discs = facts.whole("classification_plid", "classification_normal", "test_discs")
    patients = plid + normal
    share = 100 * plid / patients
    of_split = facts["test"] / 100 * patients
    return [
        Finding(
            "units of the test set",
            f"{discs} discs; {facts['test']:g} % of {patients} patients",
            f"{of_split:.1f} patients with {discs / of_split:.1f} discs each, if patients were split",
            "implies",
        ),
        Finding(
            "always saying PLID, a patient at a time",
            f"{plid} PLID, {normal} normal patients",
            f"accuracy {share:.2f}, where {facts['ablation_no_region']:.2f} is printed without regions",
            "implies",
        ),
    ]


def _classification(facts: Facts) -> list[Finding]:
    table, found = facts.tables["classification"], confusion_matrices(facts)
    return [finding for name in table.rows for finding in _row(name, table.row(name), found[name])]


def _row(name: str, row: dict[str, float], found: list[Matrix]) -> list[Finding]:
    printed = ", ".join(f"{rate} {row[rate]:g}" for rate in RATES)
    average = (row["recall"] + row["specificity"]) / 2
    of_labels = prints_as(average, row["auc"])
    matrix = f"{found[0].found} of {found[0].found + found[0].missed} PLID and " if found else "no such matrix"
    matrix += f"{found[0].left} of {found[0].left + found[0].called} NO PLID right" if found else ""
    more = f", or one of {len(found) - 1} others" if len(found) > 1 else ""
    return [
        Finding(f"{name}, confusion matrix", printed, f"{matrix}{more}", agrees_if(bool(found))),
        Finding(
            f"{name}, AUC",
            f"{row['auc']:g}",
            f"(recall + specificity) / 2 = {average:.3f}{': of hard labels, not of scores' if of_labels else ''}",
            "implies" if of_labels else "agrees",
        ),
    ]


def _ablation(facts: Facts) -> list[Finding]:
    (discs,) = facts.whole("test_discs")
    table = facts.tables["classification"].row("WAEM")
    without, right = facts["ablation_no_region"], round(facts["ablation_no_region"] * discs / 100)
    least = least_units([without])
    singles = {"the text's best single model": "text_single_accuracy", "the abstract": "abstract_accuracy"}
    return [
        Finding(
            "Table 1, full and not fine-tuned",
            f"{facts['ablation_full']:g}, {facts['ablation_no_fine_tuning']:g}",
            f"WAEM of Table 2: {table['accuracy']:g}, {table['accuracy_not_fine_tuned']:g}",
            agrees_if(
                (facts["ablation_full"], facts["ablation_no_fine_tuning"])
                == (table["accuracy"], table["accuracy_not_fine_tuned"])
            ),
        ),
        Finding(
            "Table 1, without regions",
            f"accuracy {without:.2f}",
            f"no share of {discs} discs ({right} would be {100 * right / discs:.2f}); "
            f"the fewest units that give it are {least}: other units than the rows above",
            agrees_if(prints_as(100 * right / discs, without)),
        ),
        *(_accuracy_of_discs(about, facts[name], discs) for about, name in singles.items()),
        Finding(
            "the abstract's Dice",
            f"{facts['abstract_dice']:g}",
            f"Table 4: {facts['weighted_dice']:g}",
            agrees_if(facts["abstract_dice"] == facts["weighted_dice"]),
        ),
    ]


def _accuracy_of_discs(about: str, printed: float, discs: int) -> Finding:
    right = round(printed * discs / 100)
    near = f"{right} of {discs} are {100 * right / discs:.2f}"
    return Finding(f"{about}, accuracy", f"{printed:g}", near, agrees_if(prints_as(100 * right / discs, printed)))


def _significance(facts: Facts) -> list[Finding]:
    found, (discs,) = confusion_matrices(facts), facts.whole("test_discs")
    wrong = {name: one[0].wrong for name, one in found.items() if one}
    members = {name: count for name, count in wrong.items() if name not in ("AEM", "WAEM")}
    if "WAEM" not in wrong or not members:
        return []
    best = min(members, key=members.__getitem__)
    rivals = {best: members[best]} | ({"AEM": wrong["AEM"]} if "AEM" in wrong else {})
    low, high = exact_interval(discs - wrong["WAEM"], discs)
    return [
        *(
            Finding(
                f"WAEM against {name}",
                f"{wrong['WAEM']} and {count} errors",
                "exact McNemar p from {:.3f} to {:.3f}, by how many errors they share".format(
                    *mcnemar_bounds(wrong["WAEM"], count, discs)
                ),
                "implies",
            )
            for name, count in rivals.items()
        ),
        Finding(
            "WAEM, accuracy",
            f"{facts.tables['classification'].row('WAEM')['accuracy']:g} without an interval",
            f"exact 95 % interval {low:.1f} to {high:.1f}, were the discs independent",
            "implies",
        ),
    ]


def _weights(facts: Facts) -> list[Finding]:
    findings = []
    for task, printed in facts.weights.items():
        total = fsum(printed.values.values())
        told = ", ".join(f"{name} {weight:g}" for name, weight in printed.values.items() if weight)
        shares = ", ".join(f"{weight / total:.3f}" for weight in printed.values.values() if weight)
        findings.append(
            Finding(f"weights of {task}", told, f"they sum to {total:g}; to 1: {shares}", agrees_if(total == 1))
        )
    return findings


def _class_weights(facts: Facts) -> Finding:
    classes = [facts["class_weight_no_plid"], facts["class_weight_plid"]]
    shares = balanced_shares(classes)
    of_test = [100 * (one.found + one.missed) / facts["test_discs"] for one in confusion_matrices(facts)["WAEM"]]
    tested = f"; of the test discs {of_test[0]:.1f} %" if of_test else ""
    return Finding(
        "class weights",
        f"{classes[0]:g} and {classes[1]:g}",
        f"balanced ones, if {100 * shares[1]:.1f} % of the training discs are PLID{tested}",
        agrees_if(abs(sum(shares) - 1) < 0.01),
    )


def _segmentation(facts: Facts) -> list[Finding]:
    table, ensemble = facts.tables["segmentation"], facts.tables["segmentation_ensemble"].row("WAEM")
    foreground = [ensemble[name] for name in FOREGROUND]
    background = background_iou(facts["weighted_miou"], foreground)
    dices = [dice_of_iou(iou) for iou in foreground]
    with_background = mean([*dices, dice_of_iou(background)])
    recall, precision = ensemble["recall"], ensemble["precision"]
    harmonic = 2 * precision * recall / (precision + recall)
    weight = facts["segmentation_class_weight"]
    return [
        *(_dice(name, table.row(name)) for name in table.rows),
        Finding(
            "WAEM, mIoU",
            f"{facts['weighted_miou']:g}; of spine, vertebra and disc {', '.join(f'{iou:g}' for iou in foreground)}",
            f"{mean(foreground):.2f} without the background, whose IoU must be {background:.2f}",
            agrees_if(prints_as(mean(foreground), facts["weighted_miou"])),
        ),
        Finding(
            "WAEM, Dice",
            f"{facts['weighted_dice']:g}",
            f"{with_background:.2f} with the background, {mean(dices):.2f} without it",
            "implies" if prints_as(with_background, facts["weighted_dice"]) else "contradicts",
        ),
        Finding(
            "WAEM, Dice of precision and recall",
            f"precision {precision:g}, recall {recall:g}, Dice {facts['weighted_dice']:g}",
            f"2 P R / (P + R) = {harmonic:.2f}",
            agrees_if(prints_as(harmonic, facts["weighted_dice"])),
        ),
        Finding(
            "Table 1, custom loss",
            f"mIoU {facts['ablation_segmentation']:g} with, {facts['ablation_no_custom_loss']:g} without",
            f"{facts['ablation_segmentation'] - facts['ablation_no_custom_loss']:+.2f} on "
            f"{facts['test'] / 100 * facts['segmentation_patients']:.0f} test images, without an interval",
            "implies",
        ),
        Finding(
            "the custom loss",
            f"Dice + lambda focal, class weights {weight:g}",
            f"DiceLoss of a perfect prediction is {dice_loss_floor(weight):g}, not 0",
            "implies",
        ),
    ]


def _table_5() -> Finding:
    return Finding(
        "Table 5, with one definition",
        "its numbers are not among the recorded facts",
        "not recomputed. Needed are its rows and the counts behind each (true, called and right, of discs or of a "
        "class's pixels), or rates that give these counts, as those of Table 2 do",
        "open",
    )


def _dice(name: str, row: dict[str, float]) -> Finding:
    most = dice_of_iou(row["miou"])
    holds = most - DICE_SLACK <= row["dice"] < most + 0.01
    return Finding(
        f"{name}, Dice of mIoU",
        f"mIoU {row['miou']:g}, Dice {row['dice']:g}",
        f"a mean Dice at or just below 2 IoU / (1 + IoU) = {most:.2f}",
        agrees_if(holds),
    )


def _networks(facts: Facts) -> list[Finding]:
    size, trained, chosen = facts.whole("input_size", "segmenters_trained", "segmenters_in_ensemble")
    named = len(facts.weights["segmentation"].values)
    padded = [-(-size // multiple) * multiple for multiple in (32, 48)]
    return [
        Finding(
            "input size",
            f"{size} x {size}",
            f"no multiple of 32 (U-Net, LinkNet, FPN: {padded[0]}) nor of 48 (PSPNet: {padded[1]})",
            agrees_if(size % 32 == 0 and size % 48 == 0),
        ),
        Finding(
            "the ensemble's segmenters",
            f"{chosen} of {trained}, {named} of them named",
            f"{comb(trained, chosen):,} sets of {chosen}, and {comb(trained - named, chosen - named):,} with the "
            f"{named} in them",
            "implies",
        ),
    ]
