"""Documents for people, made from data already computed: lists, explanations, charts, evaluations, model cards."""
