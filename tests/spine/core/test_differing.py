from spine.core.differing import differing


def test_settings_that_differ_are_told_by_their_keys():
    before = {"seed": 1, "splits": {"test": 0.2, "seed": 1}, "sources": [{"name": "a", "slices": 1}, {"name": "b"}]}
    after = {"seed": 1, "splits": {"test": 0.3, "seed": 1}, "sources": [{"name": "a", "slices": 3}, {"name": "b"}]}
    assert list(differing(before, after)) == [("splits.test", 0.2, 0.3), ("sources.0.slices", 1, 3)]


def test_values_and_lists_of_another_length_are_told_whole():
    assert list(differing({"labels": ["disc"]}, {"labels": ["canal"]})) == [("labels", ["disc"], ["canal"])]
    assert list(differing({"sources": [{"a": 1}]}, {"sources": []})) == [("sources", [{"a": 1}], [])]
    assert list(differing({"crop": None}, {"crop": {"label": "disc"}})) == [("crop", None, {"label": "disc"})]


def test_a_key_that_one_of_them_lacks_is_of_another_version():
    assert list(differing({"old": 1, "same": 2}, {"new": 1, "same": 2})) == []
