"""The description of the console's API, and whether what comes is what it says."""

import jsonschema


def strict(schema, is_part=False):
    """The schema with every object closed: a member that it does not describe is a mistake. Parts are closed by their whole."""
    if isinstance(schema, list):
        return [strict(each, is_part) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(each, name == "allOf") for name, each in schema.items()}
    is_object = "$ref" in schema or "allOf" in schema or isinstance(schema.get("properties"), dict)
    if is_object and not is_part and "additionalProperties" not in schema:
        closed["unevaluatedProperties"] = False
    return closed


class Description:
    def __init__(self, console):
        self.document = console.json("/api/v1/openapi.json")[1]
        self.paths = self.document["paths"]
        self.components = {"schemas": {name: strict(schema, is_part=True) for name, schema in self.document["components"]["schemas"].items()}}

    def validate(self, operation, status, answer):
        """That an answer is as the description says; every object in it is described."""
        described = operation["responses"].get(str(status)) or operation["responses"]["default"]
        if "$ref" in described:
            described = self.document["components"]["responses"]["Error"]
        schema = described["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator({**strict(schema), "components": self.components}).validate(answer)
