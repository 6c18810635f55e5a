from training.data.annotations import LabelKinds
from training.planning.recipe import recipe_for


def test_windows_of_instants_are_never_shown_as_parts() -> None:
    """Cut ECGs lose nothing without, and whole ones come out as they did before there were parts."""
    assert recipe_for(LabelKinds((("Walk",),), (), ())).parts > 0
    assert recipe_for(LabelKinds((), ("Beat",), ())).parts == 0
    assert recipe_for(LabelKinds((("Walk",),), ("Beat",), ())).parts == 0
