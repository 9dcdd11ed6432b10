"""households."""

from fastapi import APIRouter

router = APIRouter()
