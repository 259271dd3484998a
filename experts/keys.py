"""What the keys of every section of a configuration file have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from experts.annotations import plain


class Keys(BaseModel):
    """Refuses unknown keys and infinite numbers, never changes, and shows no refused value."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic takes true for 1; in a file, it is a mistake."""
        field = cls.model_fields.get(info.field_name or "")
        if isinstance(value, bool) and field is not None:
            kind, _ = plain(field.annotation)
            if kind in (int, float):
                raise ValueError("must be a number, not true or false")
        return value
