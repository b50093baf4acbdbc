# Scores a composed model with lm-eval; reads OPENAI_API_KEY. Without a temperature lm-eval asks for 0.
lm_eval --model local-chat-completions \
    --model_args model=$MODEL,base_url=$OPENAI_BASE_URL/chat/completions,num_concurrent=64 \
    --tasks abacus --include_path . --apply_chat_template --limit 40 \
    --gen_kwargs temperature=1,reasoning_effort=high
