"""What vLLM's log says where a model does not fit its device or its entry. Words are of vLLM 0.32.0."""

FAULTS = (
    (
        "is less than desired GPU memory utilization",
        "other programs hold the device's memory; end them, or give the model less `memory`",
    ),
    (
        "larger than the available KV cache memory",
        "its memory does not hold one context of full length; lower `args.max-model-len`, or raise its `memory`",
    ),
    (
        "No available memory for the cache blocks",
        "its weights leave no memory for contexts; raise its `memory`, or take weights of fewer bits",
    ),
    (
        "is greater than the derived max_model_len",
        "`args.max-model-len` is more than the model can; lower it, or leave it out",
    ),
    ("Bfloat16 is only supported on GPUs", 'this GPU has no bfloat16; set `args.dtype` to "half"'),
    (
        "CUDA out of memory",
        "the device's memory ran out; raise the model's `memory`, or lower `args.max-num-seqs` or `args.max-model-len`",
    ),
)
