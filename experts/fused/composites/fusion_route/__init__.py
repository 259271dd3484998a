"""FusionRoute in vLLM; trained in routers/fusion_route/."""
