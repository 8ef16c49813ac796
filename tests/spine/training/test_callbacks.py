from spine.training.callbacks import EpochProgress


def test_where_nobody_watches_an_epoch_is_one_line_and_nothing_else(capsys):
    progress = EpochProgress("plain", epochs=2, steps=3)
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    for batch in range(3):
        progress.on_train_batch_end(batch)
    progress.on_epoch_end(0, {"val_loss": 0.5, "loss": 0.25})
    progress.on_train_end()
    printed = capsys.readouterr()
    assert printed.err == "plain 1/2  loss 0.2500  val_loss 0.5000\n"
    assert printed.out == ""
