"""The recipes for generated datasets, by name."""

from gtp.data.antmaze import AntMazeRecipe
from gtp.data.locomotion import LocomotionRecipe
from gtp.data.multigoal import MultiGoalRecipe
from gtp.data.recipe import Recipe
from gtp.data.waypoint import WaypointRecipe

RECIPES: dict[str, type[Recipe]] = {
    recipe.name: recipe for recipe in (WaypointRecipe, LocomotionRecipe, AntMazeRecipe, MultiGoalRecipe)
}
