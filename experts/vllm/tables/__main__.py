"""`python -m experts.vllm.tables`: writes the tables anew from the vLLM that is installed."""

from experts.vllm.tables import arguments, make_arguments, make_models, models

if __name__ == "__main__":
    arguments.TABLE.write_text(
        make_arguments.text_of(make_arguments.make_table()), encoding="utf-8"
    )
    models.TABLE.write_text(make_models.text_of(make_models.make_table()), encoding="utf-8")
