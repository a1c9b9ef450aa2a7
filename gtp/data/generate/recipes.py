"""The recipes for generated datasets, by name."""

from gtp.data.generate.antmaze import AntMazeRecipe
from gtp.data.generate.locomotion import LocomotionRecipe
from gtp.data.generate.multigoal import MultiGoalRecipe
from gtp.data.generate.recipe import Recipe
from gtp.data.generate.waypoint import WaypointRecipe

RECIPES: dict[str, type[Recipe]] = {
    recipe.name: recipe for recipe in (WaypointRecipe, LocomotionRecipe, AntMazeRecipe, MultiGoalRecipe)
}
