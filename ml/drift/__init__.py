"""Whether what a model is asked today still looks like what it was measured on.

`baseline` keeps what the exported model says of the validation rows, beside the model; `detection` holds a `window` of traffic
against it and is where the tests become one verdict; `permutation` has the tests, each calibrated by exchanging rows between the
two samples; `words` is what a text model sees of a text; `harm` estimates what a shift costs in accuracy, without labels;
`distances` are the figures that Vertex AI Model Monitoring reports, for comparison; `injection` makes shifts, for rehearsals.
Does not live here: reading the traffic and raising the alert (`pipelines.monitoring`).
Start reading: `detection`.
"""
