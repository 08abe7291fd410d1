"""Going on after the last event a client has seen, for subscriptions that take `after: Int`."""

from dataclasses import replace

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInt,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    NameNode,
    OperationDefinitionNode,
    SelectionNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    print_ast,
    visit,
)

from execution import Executor, Operation, OperationKind, Refused, Request

__all__ = ["can_resume", "resumed"]

_ARGUMENT = "after"
_VARIABLE = "_lastEventId"


def can_resume(schema: GraphQLSchema, operation: Operation) -> bool:
    """Whether events carry an `id`: never for a subscription that would start its work a second time."""
    if operation.kind is not OperationKind.SUBSCRIPTION or schema.subscription_type is None:
        return False
    field = _root_field(operation)
    definition = schema.subscription_type.fields.get(field.name.value) if field else None
    argument = definition.args.get(_ARGUMENT) if definition else None
    return argument is not None and get_named_type(argument.type) is GraphQLInt


def resumed(executor: Executor, operation: Operation, request: Request, last_seen: int) -> tuple[Operation, Request]:
    """The operation and variables that start after `last_seen`, whatever the document says about it itself."""
    field = _root_field(operation)
    assert field is not None
    given = next((argument.value for argument in field.arguments or () if argument.name.value == _ARGUMENT), None)
    if isinstance(given, VariableNode):
        return operation, replace(request, variables={**request.variables, given.name.value: last_seen})
    # A variable rather than the number itself, so that every reconnection finds the same document in the cache.
    text = print_ast(_with_variable(operation, field))
    again = Request(text, operation.name, {**request.variables, _VARIABLE: last_seen})
    try:
        return executor.prepare(again), again
    except Refused:
        # Trusted documents admit no other text; events that come twice can be told by their sequence.
        return operation, request


def _root_field(operation: Operation) -> FieldNode | None:
    fragments = {
        node.name.value: node for node in operation.document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    waiting: list[SelectionNode] = list(operation.node.selection_set.selections)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, FieldNode):
            return node
        if isinstance(node, FragmentSpreadNode):
            waiting += fragments[node.name.value].selection_set.selections
        if isinstance(node, InlineFragmentNode):
            waiting += node.selection_set.selections
    return None


def _with_variable(operation: Operation, field: FieldNode) -> DocumentNode:
    variable = VariableNode(name=NameNode(value=_VARIABLE))
    argument = ArgumentNode(name=NameNode(value=_ARGUMENT), value=variable)
    definition = VariableDefinitionNode(variable=variable, type=NamedTypeNode(name=NameNode(value="Int")))

    class Rewrite(Visitor):
        def enter_operation_definition(
            self, node: OperationDefinitionNode, *_: object
        ) -> OperationDefinitionNode | None:
            if node is not operation.node:
                return None
            return replace(node, variable_definitions=(*(node.variable_definitions or ()), definition))

        def enter_field(self, node: FieldNode, *_: object) -> FieldNode | None:
            if node is not field:
                return None
            others = [item for item in node.arguments or () if item.name.value != _ARGUMENT]
            return replace(node, arguments=(*others, argument))

    rewritten: DocumentNode = visit(operation.document, Rewrite())
    return rewritten
