"""Engines that run indicator definitions; every engine gives the same bits."""
