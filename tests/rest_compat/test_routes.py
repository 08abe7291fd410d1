"""Finding what a path means."""

from rest_compat.routes import RouteTree, route_key
from tests.rest_compat.serving import toy_app
from tests.rest_compat.toy.dialects import AEGIS, AIVAX, INFORMEDAI, INFORMER
from tests.rest_compat.toy.schema import Stage


def tree(*paths: str) -> RouteTree[str]:
    found: RouteTree[str] = RouteTree()
    for path in paths:
        found.place(route_key(path)).leaf = path
    return found


def find(routes: RouteTree[str], path: str) -> tuple[str, tuple[str, ...]] | None:
    return routes.find(path.split("/")[1:])


def test_prefers_a_word_to_a_parameter() -> None:
    routes = tree("/library/{id}", "/library/stats")

    assert find(routes, "/library/stats") == ("/library/stats", ())
    assert find(routes, "/library/status") == ("/library/{id}", ("status",))


def test_goes_back_when_a_word_leads_nowhere() -> None:
    routes = tree("/library/stats", "/library/{id}/chunks", "/{area}/{id}/chunks/all")

    assert find(routes, "/library/stats/chunks") == ("/library/{id}/chunks", ("stats",))
    assert find(routes, "/library/stats/chunks/all") == ("/{area}/{id}/chunks/all", ("library", "stats"))


def test_an_empty_segment_is_no_value() -> None:
    """`DELETE /chats//messages` and `DELETE /chats/` are slips of a client; neither may delete anything."""
    routes = tree("/chats", "/chats/{id}", "/chats/{id}/messages")

    assert find(routes, "/chats/") is None
    assert find(routes, "/chats//messages") is None


def test_a_value_may_hold_anything_but_a_slash() -> None:
    assert find(tree("/assistants/{id}"), "/assistants/team:sales-assistant") == (
        "/assistants/{id}",
        ("team:sales-assistant",),
    )


def test_costs_what_the_path_costs() -> None:
    """A thousand routes beside it are not looked at."""
    routes = tree(*(f"/api/thing{number}/{{id}}/parts/{{part}}" for number in range(1000)))
    looked_at = 0

    class Counting(dict[str, RouteTree[str]]):
        def get(self, *arguments: object) -> RouteTree[str] | None:  # type: ignore[override]  # counts, and passes on
            nonlocal looked_at
            looked_at += 1
            return super().get(*arguments)  # type: ignore[call-overload, no-any-return]  # as above

    def count(node: RouteTree[str]) -> None:
        for child in [*node.children.values(), *([node.parameter] if node.parameter else [])]:
            count(child)
        node.children = Counting(node.children)

    count(routes)

    assert find(routes, "/api/thing999/7/parts/8") == ("/api/thing999/{id}/parts/{part}", ("7", "8"))
    assert looked_at == 5


def test_a_path_of_slashes_is_nobody_s_and_cheap() -> None:
    app = toy_app(Stage())

    assert app.owns("/" * 60_000) is None
    assert app.owns("/ai" + "/" * 60_000) is AEGIS
    assert app.owns("/aim") is None
    assert app.owns("/api/v1/widget/x") is INFORMEDAI
    assert app.owns("/api/v1/anything") is AIVAX
    assert app.owns("/api/anything") is INFORMER
