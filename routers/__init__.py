"""Who should answer: routers score the experts for a request."""
