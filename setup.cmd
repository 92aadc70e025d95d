@echo off
rem Roundhouse's one command on Windows:  setup.cmd [VERB ...]   (no verb: install and start everything)
rem Engines run in Docker Desktop's containers. The same as setup.sh, which serves Linux, macOS and WSL2.
setlocal
cd /d "%~dp0"
set PYTHONUTF8=1
set PYTHON=.venv\Scripts\python.exe
set LOCK=requirements.lock

fc /b "%LOCK%" ".venv\installed-%LOCK%" >nul 2>&1
if not errorlevel 1 goto run

if exist "%PYTHON%" goto packages
py -3 -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>&1
if errorlevel 1 (
    echo FAIL  Python 3.11 or newer is not here 1>&2
    echo       Install it: winget install Python.Python.3.12  - then run setup.cmd again. 1>&2
    exit /b 1
)
echo ..    a virtual environment in .venv
py -3 -m venv .venv || exit /b 1

:packages
echo ..    packages of %LOCK% into .venv
"%PYTHON%" -m pip --quiet --disable-pip-version-check install --require-hashes -r images\uv.txt && ^
.venv\Scripts\uv.exe --quiet pip install --compile-bytecode --python "%PYTHON%" --require-hashes -r "%LOCK%"
if errorlevel 1 (
    echo FAIL  the packages of %LOCK% could not be installed 1>&2
    echo       The reason stands above. Check the network and run setup.cmd again. 1>&2
    exit /b 1
)
copy /y "%LOCK%" ".venv\installed-%LOCK%" >nul

:run
set FIRST=%~1
if not defined FIRST goto default
if "%FIRST%"=="--help" goto verb
if "%FIRST:~0,1%"=="-" goto default
:verb
"%PYTHON%" -m cli %*
exit /b %errorlevel%
:default
"%PYTHON%" -m cli setup %*
exit /b %errorlevel%
